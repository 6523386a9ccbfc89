/** The names of the shapes of tasks and directives. */
import type { components } from './schema.ts';

type Shapes = components['schemas'];

export type TaskRow = Shapes['TaskRow'];
export type TaskDetail = Shapes['TaskDetail'];
export type TaskPage = Shapes['TaskPage'];
export type TaskChoices = Shapes['TaskChoices'];
export type MyTasks = Shapes['MyTasks'];
export type DirectiveRow = Shapes['DirectiveRow'];
export type DirectivePage = Shapes['DirectivePage'];
export type DirectiveDetail = Shapes['DirectiveDetail'];
export type RulesRow = Shapes['RulesRow'];
export type LeagueAnswer = Shapes['LeagueAnswer'];
export type Publications = Shapes['Publications'];
export type Attachment = Shapes['Attachment'];
