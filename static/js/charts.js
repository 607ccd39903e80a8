// ECharts drawings. A chart is <div class="lx-chart" data-chart="KIND" data-from="ID">; its numbers are the JSON
// script element ID. Colours come only from the CSS tokens, so a change of theme is a repaint, not a second design.

const root = document.documentElement;
const NAMES = ['bg', 'raised', 'text', 'text-2', 'text-3', 'line', 'line-strong', 'accent', 'accent-fill', 'accent-mid', 'accent-weak',
  'data', 'data-weak', 'ok', 'ok-fill', 'ok-mid', 'warn', 'warn-fill', 'bad', 'bad-fill', 'bad-mid', 'idle-fill'];

function palette() {
  const styles = getComputedStyle(root), p = {};
  for (const name of NAMES) p[name] = styles.getPropertyValue('--lx-' + name).trim();
  p.font = getComputedStyle(document.body).fontFamily;
  return p;
}

const full = n => Number(n).toLocaleString('en-US');
const short = n => n >= 2 ** 20 && n % 2 ** 20 === 0 ? n / 2 ** 20 + 'M' : n >= 1024 && n % 1024 === 0 ? n / 1024 + 'k' : full(n);
const small = (p, color, more = {}) => ({color, fontSize: 11, fontFamily: p.font, ...more});
const axis = (p, more = {}) => ({
  axisLine: {show: false}, axisTick: {show: false}, splitLine: {lineStyle: {color: p.line}},
  axisLabel: small(p, p['text-3']), nameTextStyle: small(p, p['text-3']), ...more,
});
const tip = p => ({
  backgroundColor: p.raised, borderColor: p['line-strong'], borderWidth: 1, padding: [6, 10], confine: true,
  textStyle: {color: p.text, fontSize: 12, fontFamily: p.font}, extraCssText: 'box-shadow:none',
});
const lines = (...rows) => {
  const box = document.createElement('div');
  for (const row of rows) box.appendChild(document.createElement('div')).textContent = row;
  return box;
};

// verdicts: colour and shape
const MARKS = {
  ok: {symbol: 'circle', size: 10},
  warn: {symbol: 'path://M6,0.5L12,11.5L0,11.5Z', size: 11},
  bad: {symbol: 'path://M2,0L6,4L10,0L12,2L8,6L12,10L10,12L6,8L2,12L0,10L4,6L0,2Z', size: 9},
  idle: {symbol: 'emptyCircle', size: 8},
  busy: {symbol: 'circle', size: 12},
};
const fillOf = (p, kind) => p[{busy: 'accent-fill'}[kind] || kind + '-fill'];

// what is still possible after each probe: the band, its upper edge the smallest failure, its lower the largest success
function band(d, p) {
  return {
    type: 'custom', silent: true, z: 1, encode: {x: [0, 1], y: [2, 3]}, data: d.bracket.map(b => [b.from, b.to, b.low, b.high]),
    renderItem(_, api) {
      const a = api.coord([api.value(0), api.value(3)]), b = api.coord([api.value(1), api.value(2)]);
      const edge = (y, color) => ({type: 'line', shape: {x1: a[0], y1: y, x2: b[0], y2: y}, style: {stroke: color, lineWidth: 1.5}});
      return {type: 'group', children: [
        {type: 'rect', shape: {x: a[0], y: a[1], width: b[0] - a[0], height: b[1] - a[1]}, style: {fill: p['accent-weak']}},
        edge(a[1], p['bad-mid']), edge(b[1], p['ok-mid']),
      ]};
    },
  };
}

const draw = {
  // every probe by order and size, on the same doublings as every ruler
  probes(d, p, wide) {
    const last = Math.max(d.probes.length, 1), few = last <= 14;
    const dots = kind => ({
      type: 'scatter', z: 5, symbol: MARKS[kind].symbol, symbolSize: MARKS[kind].size,
      itemStyle: {color: fillOf(p, kind), borderColor: p.bg, borderWidth: kind === 'ok' || kind === 'busy' ? 1.5 : 0},
      label: {show: wide && few, position: kind === 'ok' ? 'bottom' : 'top', distance: 6, formatter: o => full(o.value[1]), ...small(p, p['text-2'])},
      labelLayout: {hideOverlap: true},
      data: d.probes.filter(x => x.kind === kind).map(x => ({value: [x.n, x.size], probe: x})),
    });
    const level = (y, text, color, type, at) => ({
      type: 'line', silent: true, symbol: 'none', z: 2, lineStyle: {color, width: 1.25, type}, data: [[0.4, y], [last + 0.6, y]],
      endLabel: {show: true, formatter: text + '\n' + full(y), distance: 8, lineHeight: 14, verticalAlign: at, ...small(p, color, {fontWeight: 600})},
    });
    // two levels closer than two text lines: their labels move apart
    const near = d.declared && d.tested && Math.abs(Math.log2(d.declared / d.tested)) < (d.top - d.bottom) / 6;
    const same = d.declared && d.declared === d.tested;
    return {
      animation: false,
      tooltip: {...tip(p), trigger: 'item', formatter: o => o.data?.probe ? lines(`Probe ${o.data.probe.n}: ${full(o.data.probe.size)} tokens`, o.data.probe.verdict, o.data.probe.why) : ''},
      grid: {left: wide ? 42 : 36, right: wide ? 88 : 66, top: 18, bottom: wide && few ? 42 : 24},
      xAxis: {type: 'value', min: 0.4, max: last + 0.6, interval: 1, ...axis(p), splitLine: {show: false}, axisLabel: {show: false}},
      yAxis: {
        type: 'log', logBase: 2, min: 2 ** d.bottom, max: 2 ** d.top, ...axis(p),
        axisLabel: {...small(p, p['text-3']), formatter: v => Math.round(Math.log2(v)) % 2 === 1 ? short(Math.round(v)) : ''},
      },
      series: [
        band(d, p),
        ...(d.declared && !same ? [level(d.declared, 'declared', p['text-2'], [4, 4], near ? (d.declared > d.tested ? 'bottom' : 'top') : 'middle')] : []),
        ...(d.tested ? [level(d.tested, same ? 'tested, as\ndeclared' : 'tested', p.ok, 'solid', near && !same ? (d.declared > d.tested ? 'top' : 'bottom') : 'middle')] : []),
        ...Object.keys(MARKS).map(dots),
        {
          type: 'scatter', silent: true, symbolSize: 0.1, data: d.probes.map(x => [x.n, 2 ** d.bottom]), labelLayout: {hideOverlap: true},
          label: {show: true, position: 'bottom', distance: 8, align: 'center', lineHeight: 14, ...small(p, p['text-3']),
            formatter: o => wide && few ? o.value[0] + '\n' + d.probes[o.dataIndex].why : String(o.value[0])},
        },
      ],
    };
  },

  // memory against context size: what refusals named and what was measured, the fitted line, the limit of the machine
  memory(d, p) {
    const dots = (data, color, hollow) => ({
      type: 'scatter', symbolSize: 9, data, z: 4, itemStyle: hollow ? {color: p.bg, borderColor: color, borderWidth: 2} : {color, borderColor: p.bg, borderWidth: 1.5},
    });
    const text = (at, content, color, position, align) => ({
      type: 'scatter', silent: true, symbolSize: 0.1, data: [at], label: {show: true, formatter: content, position, align, ...small(p, color, {fontWeight: 600})},
    });
    const tick = v => v ? short(v) : '0';
    const amount = v => d.max_y < 1 ? +(v * 1000).toFixed(1) + ' MB' : +v.toFixed(2) + ' GB';
    return {
      animation: false,
      tooltip: {...tip(p), trigger: 'item', formatter: o => lines(`${full(o.value[0])} tokens`, amount(o.value[1]))},
      grid: {left: 52, right: 14, top: 16, bottom: 38},
      xAxis: {type: 'value', min: 0, max: d.max_x, interval: d.max_x / 4, name: 'context size, tokens', nameLocation: 'middle', nameGap: 24, ...axis(p), splitLine: {show: false}, axisLabel: {...small(p, p['text-3']), formatter: tick}},
      yAxis: {type: 'value', min: d.min_y, max: d.max_y, interval: d.step_y, ...axis(p), axisLabel: {...small(p, p['text-3']), formatter: amount}},
      series: [
        ...(d.fit ? [{type: 'line', silent: true, symbol: 'none', data: d.fit, lineStyle: {color: p['accent-fill'], width: 1.5, type: [5, 4]}}] : []),
        ...(d.limit ? [
          {type: 'line', silent: true, symbol: 'none', data: [[0, d.limit], [d.max_x, d.limit]], lineStyle: {color: p['bad-fill'], width: 1.25}},
          // on the side where the line is far from the limit
          d.crossing && d.crossing[0] < d.max_x * 0.6 ? text([d.max_x, d.limit], d.limit_text, p.bad, [-2, 6], 'right') : text([0, d.limit], d.limit_text, p.bad, [4, -15], 'left'),
        ] : []),
        ...(d.crossing ? [
          {type: 'line', silent: true, symbol: 'none', data: [d.crossing, [d.crossing[0], d.min_y]], lineStyle: {color: p['accent-fill'], width: 1}},
          text([d.crossing[0], d.min_y], 'full at about ' + full(d.crossing[0]), p.accent, d.crossing[0] > d.max_x / 2 ? [-8, -18] : [8, -18], d.crossing[0] > d.max_x / 2 ? 'right' : 'left'),
          dots([d.crossing], p['accent-fill'], true),
        ] : []),
        dots(d.measured, p['ok-fill']), dots(d.needed, p['bad-fill']),
      ],
    };
  },
};

// one lane of the usage page: a drawing over hours, days or weeks
const lane = (d, p, more) => ({
  animation: false, grid: {left: 52, right: 8, top: 10, bottom: 22},
  xAxis: {type: 'category', data: d.labels, ...axis(p), axisLabel: {...small(p, p['text-3']), hideOverlap: true}}, ...more,
});
const height = (p, formatter, more) => ({type: 'value', splitNumber: 2, ...axis(p), axisLabel: {...small(p, p['text-3']), formatter}, ...more});
const brief = n => n >= 1e12 ? +(n / 1e12).toFixed(1) + ' T' : n >= 1e9 ? +(n / 1e9).toFixed(1) + ' G' : n >= 1e6 ? +(n / 1e6).toFixed(1) + ' M' : n >= 1e4 ? +(n / 1e3).toFixed(1) + ' k' : full(n);
const along = (p, told) => ({...tip(p), trigger: 'axis', axisPointer: {type: 'none'}, formatter: rows => lines(rows[0].axisValue, ...told(rows[0].dataIndex))});

Object.assign(draw, {
  // amounts, in parts that stand on each other
  bars(d, p) {
    return lane(d, p, {
      tooltip: along(p, i => d.parts.map(part => `${part.name} ${full(part.values[i])}`)),
      yAxis: height(p, brief, {minInterval: 1}),
      series: d.parts.map(part => ({type: 'bar', stack: 'all', name: part.name, barCategoryGap: '38%', barMaxWidth: 28, data: part.values, itemStyle: {color: p[part.colour]}})),
    });
  },

  // answer times: the line is the median, the area above it reaches to the 95th percentile; gaps where nothing was asked
  times(d, p) {
    const seconds = v => v === null ? 'unknown' : v < 1 ? v.toFixed(2) + ' s' : +v.toFixed(1) + ' s';
    const above = d.p95.map((v, i) => v === null ? null : +(v - d.p50[i]).toFixed(3));
    // a time between two gaps has no line to stand on
    const alone = d.p50.filter(v => v !== null).length < 3 || d.p50.some((v, i) => v !== null && (d.p50[i - 1] ?? null) === null && (d.p50[i + 1] ?? null) === null);
    const line = (data, more) => ({type: 'line', stack: 'time', data, symbol: 'circle', symbolSize: 4, showSymbol: alone, showAllSymbol: true, ...more});
    return lane(d, p, {
      tooltip: along(p, i => [`p50 ${seconds(d.p50[i])}`, `p95 ${seconds(d.p95[i])}`]),
      yAxis: height(p, v => +v.toFixed(3) + ' s', {min: 0}),
      series: [
        line(d.p50, {z: 3, lineStyle: {color: p['accent-fill'], width: 1.75}, itemStyle: {color: p['accent-fill']}}),
        line(above, {lineStyle: {color: p.data, width: 1.25, opacity: 0.7}, itemStyle: {color: p.data}, areaStyle: {color: p['data-weak'], opacity: 1}}),
      ],
    });
  },

  // the share that was answered; a bad time is marked
  rates(d, p) {
    const known = d.values.filter(v => v !== null), low = Math.min(...known, 96), floor = Math.max(0, Math.floor((low - 1) / 4) * 4);
    const bad = d.values.map((v, i) => ({name: `${d.labels[i]}: ${v} %`, coord: [i, v]})).filter((_, i) => d.values[i] !== null && d.values[i] < 95);
    return lane(d, p, {
      tooltip: along(p, i => [d.values[i] === null ? 'nothing asked' : `${d.values[i]} % answered`]),
      yAxis: height(p, v => v + ' %', {min: floor, max: 100, interval: (100 - floor) / 2}),
      series: [{
        type: 'line', step: 'middle', data: d.values, symbol: 'circle', symbolSize: 4, showSymbol: known.length < 3, lineStyle: {color: p['ok-fill'], width: 1.75}, itemStyle: {color: p['ok-fill']},
        markPoint: {symbol: 'rect', symbolSize: 7, itemStyle: {color: p['bad-fill']}, label: {show: bad.length === 1, position: bad[0]?.coord[0] > (d.labels.length - 1) / 2 ? 'left' : 'right', distance: 14, formatter: '{b}', ...small(p, p.bad)}, data: bad},
      }],
    });
  },
});

const charts = new Map();

function paint() {
  const p = palette();
  for (const [box, {chart, data}] of charts) chart.setOption(draw[box.dataset.chart](data, p, chart.getWidth() > 560), true);
}

// begins new charts, takes over new numbers, forgets charts that have left the page; a swap keeps the box (hx-preserve)
function refresh() {
  for (const [box, {chart}] of charts) if (!box.isConnected) { chart.dispose(); charts.delete(box); }
  let changed = false;
  for (const box of document.querySelectorAll('.lx-chart')) {
    const numbers = document.getElementById(box.dataset.from)?.textContent, known = charts.get(box);
    if (!numbers || known?.numbers === numbers || typeof echarts === 'undefined') continue;
    charts.set(box, {chart: known?.chart || echarts.init(box, null, {renderer: 'canvas'}), data: JSON.parse(numbers), numbers});
    changed = true;
  }
  if (changed) paint();
}

document.fonts.ready.then(refresh);
document.addEventListener('htmx:afterSettle', refresh);
addEventListener('resize', () => { for (const {chart} of charts.values()) chart.resize(); paint(); });
new MutationObserver(paint).observe(root, {attributeFilter: ['data-bs-theme']});
