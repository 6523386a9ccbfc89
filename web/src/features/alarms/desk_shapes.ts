/** The shapes of the desk's own doors, by short names. */
import type { components } from '../../api/schema.ts';

type Shapes = components['schemas'];

export type AlarmGroupRow = Shapes['AlarmGroupRow'];
export type AlarmGroupPage = Shapes['AlarmGroupPage'];
export type MaintenanceRow = Shapes['MaintenanceRow'];
export type MaintenancePage = Shapes['MaintenancePage'];
export type RatePage = Shapes['RatePage'];
export type RateBar = Shapes['RateBar'];
export type RateActor = Shapes['RateActor'];
export type DefinitionRow = Shapes['DefinitionRow'];
export type DefinitionPage = Shapes['DefinitionPage'];
