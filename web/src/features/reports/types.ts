/** The shapes of reports, by the names that the API gives them. */
import type { components } from '../../api/schema.ts';

type Shapes = components['schemas'];

export type ReportPage = Shapes['ReportPage'];
export type ReportRow = Shapes['ReportRow'];
export type ReportDetail = Shapes['ReportDetail'];
export type Section = Shapes['Section'];
export type Heading = Shapes['Heading'];
export type ReportNote = Shapes['ReportNote'];
