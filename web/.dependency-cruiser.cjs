// The floors of the console: each asks only those below it; features are strangers to one another.
const floors = ['app', 'features', 'widgets', 'map', 'chart', 'ui', 'live', 'api', 'i18n', 'lib'];

const upward = floors.slice(1).map((floor, index) => ({
  name: `${floor}-asks-down`,
  severity: 'error',
  from: { path: `^src/${floor}/` },
  to: { path: `^src/(${floors.slice(0, index + 1).join('|')})/` },
}));

module.exports = {
  forbidden: [
    ...upward,
    {
      name: 'features-are-strangers',
      severity: 'error',
      from: { path: '^src/features/([^/]+)/' },
      to: { path: '^src/features/', pathNot: '^src/features/$1/' },
    },
    {
      name: 'map-and-chart-are-strangers',
      severity: 'error',
      from: { path: '^src/map/' },
      to: { path: '^src/chart/' },
    },
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'resolves',
      severity: 'error',
      from: {},
      to: {
        couldNotResolve: true,
        pathNot: [
          '\\?(worker|url)',
          '^svelte/internal',
          '^vite/client',
          '^vitest/browser',
          '^geojson',
          'woff2',
          '\\.css',
        ],
      },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.svelte.ts', '.svelte', '.js', '.json'],
      mainFields: ['svelte', 'module', 'main'],
      conditionNames: ['svelte', 'browser', 'import', 'default'],
    },
  },
};
