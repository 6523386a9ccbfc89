/**
 * A small server for looking at screens: answers like the API from a made-up state, keeps nothing.
 * Not shipped. `DATLANH_MOCK=1 npm run dev`, or mounted by tests; `?calm` in the page's Referer is a quiet day.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';

import type { Plugin } from 'vite';

import { areas, bandOf, dice, STATIONS, type Mocked } from './province.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const QUALITIES = ['measured', 'calibrating', 'fault', 'estimated'];
const iso = (ms: number) => new Date(ms).toISOString().replace(/\.\d+Z/, 'Z');

interface Attribute {
  name: string;
  title: string;
  unit: string;
  base: number;
  limit: number | null;
  low?: number;
  reference: string;
  averaged: string;
}

const QCVN05 = 'QCVN 05:2023/BTNMT, Bảng 1';
const QCVN40 = 'QCVN 40:2011/BTNMT, cột A, Kq = 0,9; Kf = 0,9';
const QCVN19 = 'QCVN 19:2009/BTNMT, cột B';

const ATTRIBUTES: Record<string, Attribute[]> = {
  AirQualityObserved: [
    {
      name: 'pm25',
      title: 'PM2.5',
      unit: 'µg/m³',
      base: 0.42,
      limit: 50,
      reference: QCVN05,
      averaged: 'trung bình 24 giờ',
    },
    {
      name: 'pm10',
      title: 'PM10',
      unit: 'µg/m³',
      base: 0.7,
      limit: 100,
      reference: QCVN05,
      averaged: 'trung bình 24 giờ',
    },
    {
      name: 'so2',
      title: 'SO2',
      unit: 'µg/m³',
      base: 0.2,
      limit: 350,
      reference: QCVN05,
      averaged: 'trung bình 1 giờ',
    },
    {
      name: 'no2',
      title: 'NO2',
      unit: 'µg/m³',
      base: 0.5,
      limit: 200,
      reference: QCVN05,
      averaged: 'trung bình 1 giờ',
    },
    {
      name: 'co',
      title: 'CO',
      unit: 'µg/m³',
      base: 11,
      limit: 30000,
      reference: QCVN05,
      averaged: 'trung bình 1 giờ',
    },
    {
      name: 'o3',
      title: 'O3',
      unit: 'µg/m³',
      base: 0.6,
      limit: 200,
      reference: QCVN05,
      averaged: 'trung bình 1 giờ',
    },
    {
      name: 'temperature',
      title: 'Nhiệt độ',
      unit: '°C',
      base: 0.37,
      limit: null,
      reference: '',
      averaged: '',
    },
    {
      name: 'relativeHumidity',
      title: 'Độ ẩm',
      unit: '%',
      base: 0.9,
      limit: null,
      reference: '',
      averaged: '',
    },
  ],
  WastewaterObserved: [
    {
      name: 'cod',
      title: 'COD',
      unit: 'mg/L',
      base: 1,
      limit: 60.75,
      reference: QCVN40,
      averaged: 'tức thời',
    },
    {
      name: 'tss',
      title: 'TSS',
      unit: 'mg/L',
      base: 0.5,
      limit: 40.5,
      reference: QCVN40,
      averaged: 'tức thời',
    },
    {
      name: 'ph',
      title: 'pH',
      unit: '',
      base: 0.17,
      limit: 9,
      low: 6,
      reference: QCVN40,
      averaged: 'tức thời',
    },
    {
      name: 'nh4',
      title: 'Amoni',
      unit: 'mg/L',
      base: 0.06,
      limit: 4.05,
      reference: QCVN40,
      averaged: 'tức thời',
    },
    {
      name: 'color',
      title: 'Độ màu',
      unit: 'Pt-Co',
      base: 0.7,
      limit: 50,
      reference: QCVN40,
      averaged: 'tức thời',
    },
    {
      name: 'temperature',
      title: 'Nhiệt độ',
      unit: '°C',
      base: 0.7,
      limit: 40,
      reference: QCVN40,
      averaged: 'tức thời',
    },
    { name: 'flow', title: 'Lưu lượng', unit: 'm³/h', base: 3.2, limit: null, reference: '', averaged: '' },
  ],
  StackEmissionObserved: [
    {
      name: 'pm',
      title: 'Bụi tổng',
      unit: 'mg/Nm³',
      base: 1,
      limit: 200,
      reference: QCVN19,
      averaged: 'tức thời',
    },
    {
      name: 'so2',
      title: 'SO2',
      unit: 'mg/Nm³',
      base: 2,
      limit: 500,
      reference: QCVN19,
      averaged: 'tức thời',
    },
    {
      name: 'nox',
      title: 'NOx',
      unit: 'mg/Nm³',
      base: 3,
      limit: 850,
      reference: QCVN19,
      averaged: 'tức thời',
    },
    {
      name: 'co',
      title: 'CO',
      unit: 'mg/Nm³',
      base: 2.4,
      limit: 1000,
      reference: QCVN19,
      averaged: 'tức thời',
    },
    { name: 'o2', title: 'O2', unit: '%', base: 0.1, limit: null, reference: '', averaged: '' },
    { name: 'flow', title: 'Lưu lượng', unit: 'm³/h', base: 210, limit: null, reference: '', averaged: '' },
  ],
};

const hash = (text: string) => [...text].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) >>> 0, 7);

/** The value of a series at a time: a daily course, some noise, the same each time. */
function valueAt(station: Mocked, attribute: Attribute, ms: number): number {
  const hour = ((ms + 7 * HOUR) % DAY) / HOUR;
  const traffic = Math.exp(-((hour - 7.5) ** 2) / 5) + 0.9 * Math.exp(-((hour - 18.5) ** 2) / 7);
  const noise = dice(hash(station.id + attribute.name) + Math.floor(ms / (10 * MINUTE)))() - 0.5;
  const slow = Math.sin(ms / (5.3 * HOUR) + hash(station.local));
  const event =
    attribute.name === 'cod' && station.state === 'alarm'
      ? Math.max(0, 1 - Math.abs(Date.now() - 40 * MINUTE - ms) / (2.2 * HOUR)) * 1.9
      : 0;
  return Math.max(
    0,
    station.base * attribute.base * (0.72 + 0.34 * traffic + 0.16 * slow + 0.16 * noise + event),
  );
}

function attributesOf(station: Mocked): Attribute[] {
  return ATTRIBUTES[station.type] ?? [];
}

function observed(station: Mocked, now: number): number {
  if (station.state === 'silent') return now - 3 * HOUR - 7 * MINUTE;
  return Math.floor((now - 40_000) / (5 * MINUTE)) * 5 * MINUTE;
}

const UNITS: Record<string, string> = {
  air: 'Trung tâm Quan trắc',
  water: 'Ban Quản lý các KCN',
  stack: 'Sở NN&MT',
};
const unitOf = (station: Mocked) =>
  UNITS[
    station.type === 'AirQualityObserved' ? 'air' : station.type === 'WastewaterObserved' ? 'water' : 'stack'
  ] as string;

function brief(station: Mocked, now: number) {
  const air = station.type === 'AirQualityObserved';
  const alive = station.state !== 'silent' && station.state !== 'unknown';
  const head = attributesOf(station)[0] as Attribute;
  const at = observed(station, now);
  const aqi =
    air && alive
      ? Math.round(station.base + (dice(Math.floor(now / HOUR) + hash(station.id))() - 0.5) * 4)
      : null;
  return {
    id: station.id,
    name: station.name,
    type: station.type,
    place: station.place,
    area: null,
    aqi,
    aqi_band: aqi === null ? null : bandOf(aqi),
    headline: {
      attribute: head.name,
      title: head.title,
      unit: head.unit,
      value: station.state === 'unknown' ? null : valueAt(station, head, at),
    },
    observed_at: station.state === 'unknown' ? null : iso(at),
    state: station.state,
    owner_unit: unitOf(station),
  };
}

const why = (what: string, of: string) => `/api/v1/why?what=${what}&of=${encodeURIComponent(of)}`;

function figure(
  key: string,
  title: string,
  unit: string,
  value: number | null,
  now: number,
  more: object = {},
) {
  const random = dice(hash(key));
  const trend = Array.from({ length: 49 }, (_, index) => {
    const at = now - DAY + (index * DAY) / 48;
    const gap = key === 'uptime' && index > 20 && index < 25;
    const swing = key === 'pass' || key === 'uptime' ? 0.015 : 0.25;
    return [
      at,
      value === null || gap
        ? null
        : value *
          (1 - swing + swing * Math.sin(index / 7) + swing * 0.5 * random() + (index / 48) * swing * 0.6),
    ];
  });
  return {
    key,
    title,
    unit,
    value,
    state: 'normal',
    at: iso(Math.floor(now / HOUR) * HOUR),
    target: null,
    limit: null,
    coverage: null,
    trend,
    why: why('figure', key),
    ...more,
  };
}

function figures(now: number, calm: boolean) {
  return [
    figure('aqi', 'VN_AQI giờ, cao nhất', '', calm ? 62 : 163, now, {
      state: calm ? 'normal' : 'attention',
      limit: { value: 100, reference: 'QĐ 1459/QĐ-TCMT' },
      coverage: { have: 11, of: 12 },
    }),
    figure('pm25', 'PM2.5 trung bình 24 giờ', 'µg/m³', 38.4, now, {
      limit: { value: 50, reference: QCVN05 },
      coverage: { have: 11, of: 12 },
    }),
    figure('pass', 'Nước thải KCN đạt chuẩn', '%', calm ? 100 : 97.5, now, {
      state: calm ? 'normal' : 'attention',
      target: 98,
      coverage: { have: 38, of: 40 },
    }),
    figure('uptime', 'Trạm truyền đủ số liệu', '%', 95.1, now, {
      target: 90,
      coverage: { have: 57, of: 60 },
    }),
    calm
      ? figure('alarms', 'Cảnh báo nhận đúng hạn', '%', 96, now, { target: 95 })
      : figure('alarms', 'Cảnh báo nhận đúng hạn', '%', 91.2, now, {
          target: 95,
          state: 'stale',
          at: iso(now - 3 * HOUR),
        }),
  ];
}

interface AlarmSeed {
  id: string;
  title: string;
  severity: number;
  state: string;
  began: number;
  due: number;
  station: number;
  attribute: number;
  value: number | null;
  person: string | null;
}

const ALARMS: AlarmSeed[] = [
  {
    id: 'A-26-004217',
    title: 'COD vượt giới hạn 2,1 lần',
    severity: 1,
    state: 'unacknowledged',
    began: 34,
    due: -4,
    station: 26,
    attribute: 0,
    value: 127.6,
    person: null,
  },
  {
    id: 'A-26-004216',
    title: 'VN_AQI ở mức Xấu',
    severity: 2,
    state: 'unacknowledged',
    began: 21,
    due: 9,
    station: 4,
    attribute: 0,
    value: 81.3,
    person: null,
  },
  {
    id: 'A-26-004215',
    title: 'PM2.5 tăng nhanh',
    severity: 2,
    state: 'acknowledged',
    began: 66,
    due: 54,
    station: 2,
    attribute: 0,
    value: 61.2,
    person: 'Nguyễn Thị Ẩn',
  },
  {
    id: 'A-26-004212',
    title: 'Amoni gần giới hạn',
    severity: 3,
    state: 'acknowledged',
    began: 128,
    due: 112,
    station: 30,
    attribute: 3,
    value: 3.82,
    person: 'Trần Quốc Đạt',
  },
  {
    id: 'A-26-004209',
    title: 'Mất dữ liệu 3 giờ',
    severity: 3,
    state: 'unacknowledged',
    began: 187,
    due: 173,
    station: 11,
    attribute: 0,
    value: null,
    person: null,
  },
  {
    id: 'A-26-004203',
    title: 'Độ màu không đổi 6 giờ',
    severity: 4,
    state: 'cleared_unacknowledged',
    began: 410,
    due: 1400,
    station: 17,
    attribute: 4,
    value: 24,
    person: null,
  },
  {
    id: 'A-26-004198',
    title: 'Hiệu chuẩn quá 8 giờ',
    severity: 4,
    state: 'acknowledged',
    began: 560,
    due: 4320,
    station: 52,
    attribute: 0,
    value: null,
    person: 'Lê Thị Mỹ Ưu',
  },
];

let position = 41_000;
const told: ((name: string, data: unknown, at: number) => void)[] = [];

function alarmRow(seed: AlarmSeed, now: number) {
  const station = STATIONS[seed.station] as Mocked;
  const attribute = attributesOf(station)[seed.attribute] as Attribute;
  return {
    id: seed.id,
    code: seed.id,
    title: seed.title,
    text: seed.title,
    severity: seed.severity,
    state: seed.state,
    began_at: iso(now - seed.began * MINUTE),
    ended_at: null,
    subject: {
      entity: station.id,
      area: null,
      name: station.name.replace(/^Trạm không khí /, 'Trạm '),
      place: station.place,
    },
    area: null,
    owner_unit: unitOf(station),
    owner: unitOf(station),
    owner_person: seed.person,
    value: seed.value,
    unit: attribute.unit,
    limit: seed.value === null ? null : attribute.limit,
    respond_by: iso(now + seed.due * MINUTE),
    incident: null,
    shelved: null,
    why: why('reading', `${station.id}|${attribute.name}`),
  };
}

function limitsOf(attribute: Attribute) {
  if (attribute.limit === null) return [];
  return [
    {
      title: attribute.averaged,
      low: attribute.low ?? null,
      high: attribute.limit,
      unit: attribute.unit,
      reference: attribute.reference,
    },
  ];
}

function stationPage(station: Mocked, now: number) {
  const at = observed(station, now);
  return {
    position,
    at: iso(now),
    ...brief(station, now),
    type_title: {
      AirQualityObserved: 'Không khí xung quanh',
      WastewaterObserved: 'Nước thải',
      StackEmissionObserved: 'Khí thải',
    }[station.type],
    area_name: 'Phường Thới Hòa',
    owner: unitOf(station),
    cadence_s: 300,
    attributes: attributesOf(station).map((attribute, index) => ({
      name: attribute.name,
      dataset: '',
      title: attribute.title,
      text: null,
      unit: attribute.unit,
      value: station.state === 'unknown' ? null : valueAt(station, attribute, at),
      observed_at: iso(at),
      quality: index === 3 && station.state !== 'silent' ? 'calibrating' : 'measured',
      stale: station.state === 'silent',
      limits: limitsOf(attribute),
      why: why('reading', `${station.id}|${attribute.name}`),
    })),
    indicators: [
      ...(station.type === 'AirQualityObserved'
        ? [
            figure('aqi_hour', 'VN_AQI giờ', '', station.state === 'silent' ? null : station.base, now, {
              state: station.state === 'silent' ? 'unknown' : 'normal',
              limit: { value: 100, reference: 'QĐ 1459/QĐ-TCMT' },
            }),
            figure('aqi_day', 'VN_AQI ngày 22/11', '', Math.round(station.base * 0.92), now, {}),
          ]
        : []),
      figure('complete', 'Đủ số liệu hôm nay', '%', station.state === 'silent' ? 71.4 : 98.9, now, {
        target: 75,
      }),
      figure('uptime', 'Thời gian hoạt động', '%', 99.1, now, { target: 90 }),
      ...(station.local === 'BD_TA_KK01'
        ? attributesOf(station)
            .slice(0, 6)
            .flatMap((attribute) => [
              figure(
                `${attribute.name}_1h`,
                `${attribute.title} trung bình 1 giờ`,
                attribute.unit,
                valueAt(station, attribute, at),
                now,
                { limit: { value: attribute.limit, reference: QCVN05 } },
              ),
              figure(
                `${attribute.name}_24h`,
                `${attribute.title} trung bình 24 giờ`,
                attribute.unit,
                attribute.name === 'so2' ? null : valueAt(station, attribute, at - HOUR),
                now,
                {
                  limit: { value: attribute.limit, reference: QCVN05 },
                  state: attribute.name === 'pm10' ? 'attention' : 'normal',
                },
              ),
            ])
        : []),
    ],
    alarms: ALARMS.filter((seed) => STATIONS[seed.station] === station).map((seed) => alarmRow(seed, now)),
    source: {
      id: station.local.toLowerCase(),
      name: `${station.local} qua SFTP`,
      last_seen: iso(at + 38_000),
    },
  };
}

function history(query: URLSearchParams, now: number) {
  const station = STATIONS.find((each) => each.id === query.get('entity')) as Mocked;
  const attribute = attributesOf(station).find((each) => each.name === query.get('attribute')) as Attribute;
  const begin = Date.parse(query.get('from') ?? iso(now - DAY));
  const end = Date.parse(query.get('to') ?? iso(now));
  const step = end - begin > 12 * DAY ? DAY / 4 : end - begin > 2 * DAY ? HOUR : 5 * MINUTE;
  const gap = [end - 0.42 * (end - begin), end - 0.36 * (end - begin)] as const;
  const gaps: [number, number][] = [[gap[0], gap[1]]];
  const until = Math.min(end, observed(station, now));
  if (station.state === 'silent') gaps.push([until, end]);
  const points: (number | null)[][] = [];
  for (let at = Math.ceil(begin / step) * step; at <= until; at += step) {
    if (at > gap[0] && at < gap[1]) {
      if (!points.at(-1) || points.at(-1)?.[1] !== null) points.push([at, null, null, null, 0, 0]);
      continue;
    }
    const part = (end - at) / (end - begin);
    const quality = part > 0.7 && part < 0.73 ? 1 : part > 0.2 && part < 0.206 ? 2 : 0;
    const value = quality === 2 ? 0 : valueAt(station, attribute, at);
    const wide = step > 5 * MINUTE ? value * 0.18 : 0;
    points.push([at, value, value - wide, value + wide, step / (5 * MINUTE), quality]);
  }
  const good = points.flatMap((point) => (point[1] == null || point[5] ? [] : [point[1] as number]));
  return {
    entity: station.id,
    attribute: attribute.name,
    dataset: '',
    title: attribute.title,
    unit: attribute.unit,
    source: station.local,
    bucket: step === 5 * MINUTE ? 'raw' : step === HOUR ? 'hour' : 'day',
    begin: iso(begin),
    end: iso(end),
    as_known_at: null,
    points,
    gaps,
    limits: limitsOf(attribute),
    summary: {
      count: good.length,
      expected: Math.round((end - begin) / step),
      mean: good.reduce((a, b) => a + b, 0) / good.length,
      min: Math.min(...good),
      max: Math.max(...good),
      last: good.at(-1) ?? null,
    },
  };
}

function whyPage(query: URLSearchParams, now: number) {
  const [id, name] = (query.get('of') ?? '').split('|');
  const station = STATIONS.find((each) => each.id === id) ?? (STATIONS[4] as Mocked);
  const attribute =
    attributesOf(station).find((each) => each.name === name) ?? (attributesOf(station)[0] as Attribute);
  const at = observed(station, now);
  if (query.get('what') === 'figure') {
    return {
      title: 'VN_AQI giờ, KCN Sóng Thần',
      value: 163,
      unit: '',
      at: iso(Math.floor(now / HOUR) * HOUR),
      quality: 'measured',
      formula: {
        name: 'VN_AQI giờ (NowCast)',
        text: 'w = max(Cmin/Cmax, 1/2)\nNowCast = Σ w^(i−1)·c_i / Σ w^(i−1),  i = 1…12\nAQI_x = (I[i+1] − I[i]) / (BP[i+1] − BP[i]) · (NowCast − BP[i]) + I[i]\nAQI = max(AQI_x)',
        pack: 'environment',
        version: '2026.11',
      },
      law: [
        {
          parameter: 'vn_aqi.breakpoints.pm25',
          title: 'Bảng giá trị BP của PM2.5',
          value: '80 – 150',
          unit: 'µg/m³',
          reference: 'Quyết định 1459/QĐ-TCMT, Bảng 2',
          since: '2019-11-12',
        },
        {
          parameter: 'vn_aqi.rounding',
          title: 'Làm tròn',
          value: 'nửa lên',
          unit: '',
          reference: 'Quyết định 1459/QĐ-TCMT, mục 3',
          since: '2019-11-12',
        },
      ],
      inputs: Array.from({ length: 6 }, (_, index) => ({
        title: `PM2.5 trung bình giờ`,
        value: index === 3 ? null : valueAt(station, attribute, now - index * HOUR),
        unit: 'µg/m³',
        at: iso(Math.floor(now / HOUR) * HOUR - index * HOUR),
        quality: index === 3 ? 'calibrating' : 'measured',
        href: why('reading', `${station.id}|pm25`),
      })),
      batch: null,
      raw: null,
      corrections: [],
    };
  }
  const stamp = iso(at + 7 * HOUR)
    .replace(/\D/g, '')
    .slice(0, 14);
  const value = valueAt(station, attribute, at);
  return {
    title: `${attribute.title}, ${station.name}`,
    value,
    unit: attribute.unit,
    at: iso(at),
    quality: 'measured',
    formula: null,
    law: limitsOf(attribute).map((limit) => ({
      parameter: `${attribute.name}_limit`,
      title: `Ngưỡng ${attribute.title} ${limit.title}`,
      value: String(limit.high).replace('.', ','),
      unit: limit.unit,
      reference: limit.reference,
      since: '2023-09-12',
    })),
    inputs: [],
    batch: {
      source: 'x',
      source_name: `${station.local} qua SFTP`,
      received_at: iso(at + 38_000),
      hash: '9f2c4e8a7b1d03f6c5a8e91b2d7f4c60a3e85d19b7c2f60488e1d5a93b0c7f2e',
      journal: 918273,
      file_name: `${station.local}_${stamp}.txt`,
      href: '/api/v1/journal/918273/raw',
    },
    raw: {
      line: 3,
      text: attributesOf(station)
        .map(
          (each) =>
            `${each.name === 'pm25' ? 'PM2,5' : each.name.toUpperCase()}\t${(each === attribute ? value : valueAt(station, each, at)).toFixed(2)}\t${each.unit || '-'}\t${stamp}\t00`,
        )
        .join('\n'),
    },
    corrections: [
      { value: value * 0.97, known_at: iso(at + 38_000), revision: iso(at) },
      { value, known_at: iso(at + 2 * HOUR), revision: iso(at + 2 * HOUR) },
    ],
  };
}

const SESSION = {
  person: {
    id: 'p1',
    name: 'Phạm Thị Hồng Ngự',
    title: 'Trực ban IOC',
    language: 'vi',
    roles: ['duty_officer'],
    unit: 'IOC',
  },
  permissions: [
    'overview.read',
    'station.read',
    'alarm.read',
    'alarm.act',
    'incident.read',
    'incident.act',
    'source.read',
    'source.manage',
    'evidence.read',
  ],
  csrf: 'mock',
  province: { id: 'binh-duong', name: 'Bình Dương', tz: 'Asia/Ho_Chi_Minh' },
  version: '2026.11.0',
};

let signedIn = true;

function problem(status: number, key: string, title: string, detail: string) {
  return { status, body: { type: `urn:datlanh:${key}`, title, status, detail, key, params: {} } };
}

type Answer = { status: number; body: unknown };

/** More answers, added by whoever needs them (method and path -> body). */
export const more: ((
  method: string,
  path: string,
  query: URLSearchParams,
  body: unknown,
  now: number,
) => unknown)[] = [];

function answerTo(
  method: string,
  path: string,
  query: URLSearchParams,
  body: Record<string, unknown>,
  now: number,
  calm: boolean,
  flood: boolean,
): Answer {
  const ok = (value: unknown): Answer => ({ status: 200, body: value });
  if (path === '/session') {
    if (method === 'POST') {
      if (body.password === 'sai')
        return problem(
          403,
          'people.sign_in_refused',
          'Không đăng nhập được',
          'Tên đăng nhập hoặc mật khẩu không đúng.',
        );
      signedIn = true;
      return ok({});
    }
    if (method === 'DELETE') {
      signedIn = false;
      return { status: 204, body: undefined };
    }
    return signedIn ? ok(SESSION) : problem(401, 'people.signed_out', 'Chưa đăng nhập', 'Hãy đăng nhập.');
  }
  for (const answer of more) {
    const found = answer(method, path, query, body, now);
    if (found !== undefined) return ok(found);
  }
  if (path === '/overview') {
    const alarms = calm ? [] : ALARMS.map((seed) => alarmRow(seed, now));
    if (flood) {
      for (let index = 0; index < 13; index++) {
        const station = 14 + index * 2;
        alarms.push(
          alarmRow(
            {
              ...(ALARMS[1] as AlarmSeed),
              id: `F-${index}`,
              title: 'Độ pH nước thải ngoài khoảng cho phép',
              station,
              attribute: 2,
              value: 5.2,
              due: 24 + index,
            },
            now,
          ),
        );
      }
    }
    const stations = STATIONS.map((station) => brief(station, now)).map((row) =>
      calm && row.aqi !== null && row.aqi > 100
        ? { ...row, aqi: 64, aqi_band: 'moderate', state: 'ok' }
        : row,
    );
    return ok({
      position,
      at: iso(now),
      numbers: figures(now, calm),
      stations,
      alarms,
      sources: { live: 57, total: 60, silent: 3 },
    });
  }
  if (path === '/areas') return ok(areas());
  if (path === '/stations')
    return ok({ position, at: iso(now), rows: STATIONS.map((station) => brief(station, now)) });
  if (path.startsWith('/stations/')) {
    const station = STATIONS.find((each) => each.id === decodeURIComponent(path.slice(10)));
    return station
      ? ok(stationPage(station, now))
      : problem(404, 'share.not_found', 'Không có trạm này', 'Trạm có thể đã đổi mã.');
  }
  if (path === '/history') return ok(history(query, now));
  if (path.startsWith('/indicators/')) {
    const begin = Math.ceil(Date.parse(query.get('from') ?? '') / HOUR) * HOUR;
    const points = Array.from({ length: Math.floor((now - begin) / HOUR) }, (_, index) => ({
      begin: iso(begin + index * HOUR),
      end: iso(begin + (index + 1) * HOUR),
      value: index % 11 === 7 ? null : 60 + 50 * Math.sin(index / 4),
      band: null,
      have: 12,
      of: 12,
      why: '',
    }));
    return ok({
      id: decodeURIComponent(path.split('/')[2] ?? ''),
      subject: query.get('subject'),
      title: 'VN_AQI giờ',
      unit: '',
      as_known_at: null,
      limit: { value: 100, reference: 'QĐ 1459/QĐ-TCMT' },
      points,
    });
  }
  if (path === '/why') return ok(whyPage(query, now));
  return problem(404, 'web.not_mocked', 'Không có', `${method} ${path}`);
}

function stream(request: IncomingMessage, response: ServerResponse) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
  response.write(`retry: 2000\n\n: ping\n\n`);
  const tell = (name: string, data: unknown, at: number) =>
    response.write(`${at ? `id: ${at}\n` : ''}event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
  told.push(tell);
  const beat = setInterval(() => response.write(': ping\n\n'), 5000);
  const change = setInterval(() => {
    const now = Date.now();
    tell(
      'StationsChanged',
      { at: iso(now), rows: STATIONS.slice(0, 3).map((station) => brief(station, now)) },
      0,
    );
  }, 7000);
  request.on('close', () => {
    clearInterval(beat);
    clearInterval(change);
    told.splice(told.indexOf(tell), 1);
  });
}

/** Answer a request if it is for the API; true when it was. */
export function answer(request: IncomingMessage, response: ServerResponse): boolean {
  const url = new URL(request.url ?? '/', 'http://mock');
  if (!url.pathname.startsWith('/api/v1')) return false;
  const path = url.pathname.slice(7);
  if (path === '/live') {
    stream(request, response);
    return true;
  }
  const referer = request.headers.referer ?? '';
  const calm = referer.includes('calm');
  const flood = referer.includes('flood');
  let text = '';
  request.on('data', (piece: Buffer) => (text += piece.toString()));
  request.on('end', () => {
    let body: Record<string, unknown> = {};
    try {
      body = JSON.parse(text || '{}') as Record<string, unknown>;
    } catch {
      // A form: the mock does not look inside.
    }
    const { status, body: said } = answerTo(
      request.method ?? 'GET',
      path,
      url.searchParams,
      body,
      Date.now(),
      calm,
      flood,
    );
    response.writeHead(status, {
      'Content-Type': status < 400 ? 'application/json' : 'application/problem+json',
    });
    response.end(said === undefined ? '' : JSON.stringify(said));
  });
  return true;
}

/** Tell all who listen, as the server would; for looking at what moves. */
export function tellAll(name: string, data: unknown) {
  position += 1;
  for (const tell of told) tell(name, data, position);
}

export { ALARMS, alarmRow, attributesOf, iso, problem, QUALITIES, SESSION, unitOf, why };

export function mock(): Plugin {
  return {
    name: 'mock',
    configureServer(server) {
      server.middlewares.use((request, response, next) => {
        if (!answer(request, response)) next();
      });
    },
  };
}
