/**
 * A made-up state of a real place, to look at screens by: names of Bình Dương, figures that nobody measured.
 * The areas are cells around centres, cut by a rough outline: a sketch, not a map.
 */

type Point = [number, number];

const CENTRES: [string, string, number, number][] = [
  ['25747', 'Phường Thủ Dầu Một', 106.652, 10.982],
  ['25750', 'Phường Phú Lợi', 106.683, 10.993],
  ['25760', 'Phường Bình Dương', 106.69, 11.053],
  ['25771', 'Phường Phú An', 106.6, 11.045],
  ['25768', 'Phường Chánh Hiệp', 106.64, 11.02],
  ['25780', 'Xã Dầu Tiếng', 106.37, 11.28],
  ['25777', 'Xã Minh Thạnh', 106.5, 11.4],
  ['25792', 'Xã Long Hòa', 106.47, 11.3],
  ['25807', 'Xã Thanh An', 106.43, 11.19],
  ['25813', 'Phường Bến Cát', 106.6, 11.14],
  ['25819', 'Xã Trừ Văn Thố', 106.6, 11.36],
  ['25822', 'Xã Bàu Bàng', 106.64, 11.27],
  ['25837', 'Phường Chánh Phú Hòa', 106.68, 11.16],
  ['25840', 'Phường Long Nguyên', 106.55, 11.2],
  ['25843', 'Phường Tây Nam', 106.53, 11.1],
  ['25846', 'Phường Thới Hòa', 106.63, 11.09],
  ['25849', 'Phường Hòa Lợi', 106.67, 11.1],
  ['25858', 'Xã Phú Giáo', 106.79, 11.29],
  ['25864', 'Xã Phước Thành', 106.86, 11.27],
  ['25867', 'Xã An Long', 106.72, 11.36],
  ['25882', 'Xã Phước Hòa', 106.76, 11.21],
  ['25888', 'Phường Tân Uyên', 106.8, 11.06],
  ['25891', 'Phường Tân Khánh', 106.73, 11.0],
  ['25897', 'Xã Thường Tân', 106.9, 11.06],
  ['25906', 'Xã Bắc Tân Uyên', 106.86, 11.13],
  ['25909', 'Phường Vĩnh Tân', 106.74, 11.11],
  ['25912', 'Phường Bình Cơ', 106.78, 11.13],
  ['25915', 'Phường Tân Hiệp', 106.76, 11.05],
  ['25942', 'Phường Dĩ An', 106.767, 10.906],
  ['25945', 'Phường Tân Đông Hiệp', 106.77, 10.935],
  ['25951', 'Phường Đông Hòa', 106.79, 10.89],
  ['25966', 'Phường Lái Thiêu', 106.7, 10.905],
  ['25969', 'Phường Thuận Giao', 106.71, 10.955],
  ['25975', 'Phường An Phú', 106.74, 10.955],
  ['25978', 'Phường Thuận An', 106.69, 10.945],
  ['25987', 'Phường Bình Hòa', 106.735, 10.9],
];

const OUTLINE: Point[] = [
  [106.33, 11.24],
  [106.37, 11.36],
  [106.45, 11.46],
  [106.55, 11.48],
  [106.64, 11.45],
  [106.72, 11.44],
  [106.82, 11.38],
  [106.93, 11.31],
  [106.95, 11.2],
  [106.96, 11.06],
  [106.9, 10.99],
  [106.82, 10.99],
  [106.8, 10.95],
  [106.83, 10.88],
  [106.78, 10.865],
  [106.71, 10.87],
  [106.685, 10.9],
  [106.655, 10.95],
  [106.6, 11.0],
  [106.51, 11.04],
  [106.44, 11.11],
  [106.38, 11.16],
];

/** The part of a polygon that is nearer to `a` than to `b`. */
function nearer(ring: Point[], a: Point, b: Point): Point[] {
  const side = (p: Point) =>
    (p[0] - a[0]) ** 2 + (p[1] - a[1]) ** 2 - (p[0] - b[0]) ** 2 - (p[1] - b[1]) ** 2;
  const kept: Point[] = [];
  ring.forEach((from, index) => {
    const to = ring[(index + 1) % ring.length] as Point;
    const s = side(from);
    const e = side(to);
    if (s <= 0) kept.push(from);
    if (s < 0 !== e < 0) {
      const part = s / (s - e);
      kept.push([from[0] + part * (to[0] - from[0]), from[1] + part * (to[1] - from[1])]);
    }
  });
  return kept;
}

export function areas() {
  return {
    type: 'FeatureCollection',
    as_of: '2026-11-23',
    features: CENTRES.map(([code, name, lon, lat]) => {
      let ring: Point[] = OUTLINE;
      for (const [other, , x, y] of CENTRES) if (other !== code) ring = nearer(ring, [lon, lat], [x, y]);
      return {
        type: 'Feature',
        id: code,
        properties: {
          code,
          name,
          kind: name.startsWith('Xã') ? 'commune' : 'ward',
          parent: '79',
          valid_from: '2025-07-01',
          valid_to: null,
          schematic: true,
          area_km2: null,
          population: null,
        },
        geometry: ring.length ? { type: 'Polygon', coordinates: [[...ring, ring[0]]] } : null,
      };
    }),
  };
}

/** Numbers that look random and are the same each time. */
export function dice(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const AIR: [string, string, number, number, number][] = [
  ['BD_TDM_KK01', 'Trung tâm Thủ Dầu Một', 106.655, 10.978, 58],
  ['BD_TDM_KK02', 'Thành phố mới Bình Dương', 106.68, 11.058, 44],
  ['BD_TA_KK01', 'Ngã tư Bình Chuẩn', 106.716, 10.972, 112],
  ['BD_TA_KK02', 'Lái Thiêu', 106.702, 10.905, 83],
  ['BD_DA_KK01', 'KCN Sóng Thần', 106.752, 10.893, 163],
  ['BD_DA_KK02', 'Làng đại học Dĩ An', 106.797, 10.882, 71],
  ['BD_TU_KK01', 'KCN Nam Tân Uyên', 106.77, 11.04, 96],
  ['BD_TU_KK02', 'Uyên Hưng', 106.81, 11.065, 52],
  ['BD_BC_KK01', 'KCN Mỹ Phước', 106.61, 11.13, 88],
  ['BD_BB_KK01', 'Bàu Bàng', 106.635, 11.28, 37],
  ['BD_PG_KK01', 'Phước Vĩnh', 106.79, 11.3, 29],
  ['BD_DT_KK01', 'Dầu Tiếng', 106.365, 11.275, 33],
];

const PARKS: [string, number, number][] = [
  ['VSIP I', 106.715, 10.925],
  ['VSIP II', 106.69, 11.06],
  ['Sóng Thần 1', 106.745, 10.9],
  ['Sóng Thần 2', 106.757, 10.905],
  ['Sóng Thần 3', 106.69, 11.045],
  ['Đồng An', 106.735, 10.905],
  ['Đồng An 2', 106.67, 11.065],
  ['Việt Hương', 106.71, 10.935],
  ['Việt Hương 2', 106.6, 11.05],
  ['Mỹ Phước 1', 106.6, 11.125],
  ['Mỹ Phước 2', 106.615, 11.14],
  ['Mỹ Phước 3', 106.645, 11.11],
  ['Thới Hòa', 106.625, 11.085],
  ['Nam Tân Uyên', 106.765, 11.035],
  ['Nam Tân Uyên mở rộng', 106.755, 11.06],
  ['Bàu Bàng', 106.63, 11.265],
  ['Bàu Bàng mở rộng', 106.61, 11.29],
  ['Lai Hưng', 106.63, 11.2],
  ['Kim Huy', 106.68, 11.07],
  ['Đại Đăng', 106.675, 11.05],
  ['Mapletree', 106.672, 11.075],
  ['Rạch Bắp', 106.54, 11.13],
  ['Đất Cuốc', 106.87, 11.1],
  ['Tân Đông Hiệp A', 106.765, 10.925],
  ['Tân Đông Hiệp B', 106.775, 10.93],
  ['Bình Đường', 106.745, 10.885],
  ['Bình An', 106.795, 10.915],
  ['Dệt may Bình An', 106.8, 10.91],
  ['Mai Trung', 106.535, 11.16],
  ['An Điền', 106.56, 11.12],
];

export interface Mocked {
  id: string;
  local: string;
  name: string;
  type: string;
  place: Point;
  base: number;
  state: string;
}

const roll = dice(7);
const around = (at: number) => at + (roll() - 0.5) * 0.022;

export const STATIONS: Mocked[] = [
  ...AIR.map(([local, name, lon, lat, base]) => ({
    id: `urn:ngsi-ld:AirQualityObserved:${local}`,
    local,
    name: `Trạm không khí ${name}`,
    type: 'AirQualityObserved',
    place: [lon, lat] as Point,
    base,
    state: local === 'BD_DT_KK01' ? 'silent' : base > 150 ? 'alarm' : base > 100 ? 'attention' : 'ok',
  })),
  ...Array.from({ length: 40 }, (_, index) => {
    const [park, lon, lat] = PARKS[index % PARKS.length] as [string, number, number];
    const local = `BD_KCN${String((index % PARKS.length) + 1).padStart(2, '0')}_NT0${index < PARKS.length ? 1 : 2}`;
    return {
      id: `urn:ngsi-ld:WastewaterObserved:${local}`,
      local,
      name: `Nước thải KCN ${park}${index < PARKS.length ? '' : ' (2)'}`,
      type: 'WastewaterObserved',
      place: [around(lon), around(lat)] as Point,
      base: 30 + roll() * 25,
      state: index === 7 || index === 22 ? 'silent' : index === 14 ? 'alarm' : 'ok',
    };
  }),
  ...Array.from({ length: 8 }, (_, index) => {
    const [park, lon, lat] = PARKS[(index * 4 + 1) % PARKS.length] as [string, number, number];
    const local = `BD_KCN${String(index * 3 + 2).padStart(2, '0')}_KT01`;
    return {
      id: `urn:ngsi-ld:StackEmissionObserved:${local}`,
      local,
      name: `Khí thải lò hơi KCN ${park}`,
      type: 'StackEmissionObserved',
      place: [around(lon), around(lat)] as Point,
      base: 60 + roll() * 60,
      state: index === 5 ? 'unknown' : 'ok',
    };
  }),
];

export function bandOf(value: number): string {
  return value <= 50
    ? 'good'
    : value <= 100
      ? 'moderate'
      : value <= 150
        ? 'poor'
        : value <= 200
          ? 'bad'
          : value <= 300
            ? 'very_bad'
            : 'hazardous';
}
