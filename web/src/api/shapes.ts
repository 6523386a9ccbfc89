/** The names of the API's shapes, taken from the generated `schema.ts`; Python is the source. */
import type { components } from './schema.ts';

type Shapes = components['schemas'];

export type AlarmDetail = Shapes['AlarmDetail'];
export type AlarmPage = Shapes['AlarmPage'];
export type AlarmRow = Shapes['AlarmRow'];
export type Areas = Shapes['Areas'];
export type AttributeNow = Shapes['AttributeNow'];
export type Figure = Shapes['Figure'];
export type FiguresChanged = Shapes['FiguresChanged'];
export type History = Shapes['History'];
export type Incident = Shapes['Incident'];
export type IncidentPage = Shapes['IncidentPage'];
export type IncidentRow = Shapes['IncidentRow'];
export type IndicatorValues = Shapes['IndicatorValues'];
export type IncidentOpened = Shapes['IncidentOpened'];
export type JournalEntry = Shapes['JournalEntry'];
export type Limit = Shapes['Limit'];
export type LogEntry = Shapes['LogEntry'];
export type ManyResult = Shapes['ManyResult'];
export type Overview = Shapes['Overview'];
export type PeopleRows = Shapes['PeopleRows'];
export type ProblemBody = Shapes['Problem'];
export type QuarantinePage = Shapes['QuarantinePage'];
export type Diagnostic = Shapes['Diagnostic'];
export type QuarantineRow = Shapes['QuarantineRow'];
export type Replayed = Shapes['Replayed'];
export type Session = Shapes['Session'];
export type Source = Shapes['Source'];
export type SourceTest = Shapes['SourceTest'];
export type SourceRow = Shapes['SourceRow'];
export type Sources = Shapes['Sources'];
export type SourcesBrief = Shapes['SourcesBrief'];
export type Station = Shapes['Station'];
export type StationBrief = Shapes['StationBrief'];
export type Stations = Shapes['Stations'];
export type StationsChanged = Shapes['StationsChanged'];
export type Step = Shapes['Step'];
export type UploadDryRun = Shapes['UploadDryRun'];
export type UploadDone = Shapes['UploadDone'];
export type Why = Shapes['Why'];

export type Severity = AlarmRow['severity'];
export type AlarmState = AlarmRow['state'];
export type FigureState = Figure['state'];
export type StationState = StationBrief['state'];
export type QualityWord = AttributeNow['quality'];
