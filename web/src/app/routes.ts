/** Which screen is at which address; each is loaded when it is first gone to. */
import type { Component } from 'svelte';

import type { Key } from '../i18n/words.svelte.ts';
import type { IconName } from '../ui/icons.ts';

export interface Route {
  pattern: string;
  title: Key;
  load: () => Promise<{ default: Component<Record<string, string>> }>;
}

const screen = (load: () => Promise<{ default: unknown }>) => load as Route['load'];

export const ROUTES: readonly Route[] = [
  {
    pattern: '/',
    title: 'web.nav.overview',
    load: screen(() => import('../features/overview/Overview.svelte')),
  },
  {
    pattern: '/stations/:id',
    title: 'web.station.title',
    load: screen(() => import('../features/station/Station.svelte')),
  },
  {
    pattern: '/alarms',
    title: 'web.nav.alarms',
    load: screen(() => import('../features/alarms/Alarms.svelte')),
  },
  {
    pattern: '/alarms/rate',
    title: 'alarm.nav.rate',
    load: screen(() => import('../features/alarms/Rate.svelte')),
  },
  {
    pattern: '/alarms/maintenance',
    title: 'alarm.nav.maintenance',
    load: screen(() => import('../features/alarms/Maintenance.svelte')),
  },
  {
    pattern: '/alarms/definitions',
    title: 'alarm.nav.definitions',
    load: screen(() => import('../features/alarms/Definitions.svelte')),
  },
  {
    pattern: '/incidents',
    title: 'web.nav.incidents',
    load: screen(() => import('../features/incidents/Incidents.svelte')),
  },
  {
    pattern: '/incidents/:id',
    title: 'desk.incident.title',
    load: screen(() => import('../features/incidents/Incident.svelte')),
  },
  {
    pattern: '/tasks',
    title: 'task.ui.nav',
    load: screen(() => import('../features/tasks/Tasks.svelte')),
  },
  {
    pattern: '/tasks/:id',
    title: 'task.ui.page_title',
    load: screen(() => import('../features/tasks/Task.svelte')),
  },
  {
    pattern: '/field',
    title: 'task.field.title',
    load: screen(() => import('../features/tasks/FieldPage.svelte')),
  },
  {
    pattern: '/directives',
    title: 'directive.ui.nav',
    load: screen(() => import('../features/directives/Directives.svelte')),
  },
  {
    pattern: '/directives/:id',
    title: 'directive.ui.title',
    load: screen(() => import('../features/directives/Directive.svelte')),
  },
  {
    pattern: '/league',
    title: 'directive.ui.league',
    load: screen(() => import('../features/directives/League.svelte')),
  },
  {
    pattern: '/leader',
    title: 'directive.leader.title',
    load: screen(() => import('../features/leader/Leader.svelte')),
  },
  {
    pattern: '/duty',
    title: 'watch.title',
    load: screen(() => import('../features/duty/Desk.svelte')),
  },
  {
    pattern: '/duty/roster',
    title: 'watch.roster.title',
    load: screen(() => import('../features/duty/Roster.svelte')),
  },
  {
    pattern: '/duty/escalations',
    title: 'watch.ledger.title',
    load: screen(() => import('../features/duty/Ledger.svelte')),
  },
  {
    pattern: '/duty/audit',
    title: 'watch.audit.title',
    load: screen(() => import('../features/duty/Audit.svelte')),
  },
  {
    pattern: '/procedures',
    title: 'sop.nav',
    load: screen(() => import('../features/procedures/Procedures.svelte')),
  },
  {
    pattern: '/procedures/:id',
    title: 'sop.title',
    load: screen(() => import('../features/procedures/Procedure.svelte')),
  },
  {
    pattern: '/stages',
    title: 'stage.board',
    load: screen(() => import('../features/stage/Stages.svelte')),
  },
  {
    pattern: '/stages/:hazard',
    title: 'stage.title',
    load: screen(() => import('../features/stage/Stage.svelte')),
  },
  {
    pattern: '/warnings',
    title: 'warn.title',
    load: screen(() => import('../features/warn/Warnings.svelte')),
  },
  {
    pattern: '/warnings/new',
    title: 'warn.new',
    load: screen(() => import('../features/warn/Compose.svelte')),
  },
  {
    pattern: '/warnings/:id',
    title: 'warn.title',
    load: screen(() => import('../features/warn/Warning.svelte')),
  },
  {
    pattern: '/warnings/:id/edit',
    title: 'warn.edit',
    load: screen(() => import('../features/warn/Compose.svelte')),
  },
  {
    pattern: '/notices',
    title: 'notice.title',
    load: screen(() => import('../features/notices/Inbox.svelte')),
  },
  {
    pattern: '/notices/ledger',
    title: 'notice.ledger',
    load: screen(() => import('../features/notices/Ledger.svelte')),
  },
  {
    pattern: '/profile',
    title: 'notice.profile',
    load: screen(() => import('../features/notices/Profile.svelte')),
  },
  {
    pattern: '/reports',
    title: 'paper.title',
    load: screen(() => import('../features/reports/Reports.svelte')),
  },
  {
    pattern: '/reports/:id',
    title: 'paper.title',
    load: screen(() => import('../features/reports/Report.svelte')),
  },
  {
    pattern: '/replay',
    title: 'paper.replay',
    load: screen(() => import('../features/replay/Replay.svelte')),
  },
  {
    pattern: '/exercises',
    title: 'exercise.ui.title',
    load: screen(() => import('../features/exercise/Exercises.svelte')),
  },
  {
    pattern: '/exercises/:id',
    title: 'exercise.ui.title',
    load: screen(() => import('../features/exercise/Exercise.svelte')),
  },
  {
    pattern: '/backtest',
    title: 'paper.backtest',
    load: screen(() => import('../features/backtest/BackTest.svelte')),
  },
  {
    pattern: '/sources',
    title: 'web.nav.sources',
    load: screen(() => import('../features/sources/Sources.svelte')),
  },
  {
    pattern: '/sources/:id',
    title: 'desk.source.title',
    load: screen(() => import('../features/sources/Source.svelte')),
  },
];

export interface Door {
  href: string;
  title: Key;
  icon: IconName;
  /** The key after `g`. */
  letter: string;
  permission?: string;
}

export const DOORS: readonly Door[] = [
  { href: '/', title: 'web.nav.overview', icon: 'overview', letter: 'o' },
  { href: '/alarms', title: 'web.nav.alarms', icon: 'bell', letter: 'a' },
  { href: '/incidents', title: 'web.nav.incidents', icon: 'incident', letter: 'i' },
  { href: '/directives', title: 'directive.ui.nav', icon: 'law', letter: 'd', permission: 'directive.read' },
  { href: '/tasks', title: 'task.ui.nav', icon: 'check', letter: 't', permission: 'own_task.read' },
  { href: '/duty', title: 'watch.title', icon: 'clock', letter: 'b', permission: 'duty.read' },
  { href: '/procedures', title: 'sop.nav', icon: 'list', letter: 'p', permission: 'procedure.read' },
  { href: '/reports', title: 'paper.title', icon: 'file', letter: 'r', permission: 'report.read' },
  { href: '/replay', title: 'paper.replay', icon: 'undo', letter: 'y', permission: 'replay.read' },
  { href: '/backtest', title: 'paper.backtest', icon: 'chart', letter: 'x', permission: 'backtest.run' },
  { href: '/sources', title: 'web.nav.sources', icon: 'source', letter: 's' },
];
