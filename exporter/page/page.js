// SPDX-License-Identifier: Apache-2.0
// The status page. What it shows comes as server-sent events (exporter/stream.h): "all" and "some" with rows of
// accounts, "agent" with what the agent is. Texts come from clusters: they become text nodes, never markup.
'use strict';

const SAMPLES = 60;
// As exporter/stream.c writes a row.
const FIELDS = ['name', 'state', 'objects', 'watches', 'lag_us', 'events', 'restarts', 'scopes', 'in_step', 'error', 'server', 'version'];
const COLUMNS = [
    {key: 'name', title: 'Account'},
    {key: 'state', title: 'State'},
    {key: 'objects', title: 'Objects', number: true},
    {key: 'watches', title: 'Watches', number: true},
    {key: 'lag_us', title: 'Lag', number: true},
    {key: 'rate', title: 'Events/s', number: true},
    {key: 'spark', title: 'Last minute', sort: 'rate', number: true},
    {key: 'restarts', title: 'Restarts', number: true},
    {key: 'error', title: 'Last error'},
];
const GOOD = new Set(['streaming', 'standby', 'running']);
const WAIT = new Set(['starting', 'connecting', 'discovering', 'syncing', 'waiting', 'paused', 'stopping']);
const $ = (id) => document.getElementById(id);

const accounts = new Map();
let order = {key: 'state', down: false};
let chosen = null;
const hidden = new Set();

function element(name, attributes = {}, ...children) {
    const e = document.createElement(name);
    for (const [k, v] of Object.entries(attributes)) e.setAttribute(k, v);
    e.append(...children);
    return e;
}

function tone(state) {
    return GOOD.has(state) ? 'good' : WAIT.has(state) ? 'wait' : 'bad';
}

function seconds(us) {
    if (us < 1000) return `${us} µs`;
    if (us < 1e6) return `${Math.round(us / 1000)} ms`;
    return us < 6e7 ? `${(us / 1e6).toFixed(1)} s` : `${Math.round(us / 6e7)} min`;
}

// Worst first, as scale-agentctl status; names as people count.
function weight(a) {
    return {bad: 0, wait: 1, good: 2}[tone(a.state)];
}

function compare(a, b) {
    const k = order.key;
    let c = k === 'state' ? weight(a) - weight(b) || a.state.localeCompare(b.state)
        : typeof a[k] === 'number' ? a[k] - b[k] : String(a[k]).localeCompare(String(b[k]), undefined, {numeric: true});
    if (order.down) c = -c;
    return c || a.name.localeCompare(b.name, undefined, {numeric: true});
}

function matches(a) {
    const words = $('search').value.toLowerCase().split(/\s+/).filter(Boolean);
    const text = `${a.name} ${a.state} ${a.error} ${a.server}`.toLowerCase();
    return !hidden.has(a.state) && words.every((w) => text.includes(w));
}

function drawSpark(a) {
    const top = Math.max(1, ...a.samples);
    const points = a.samples.map((v, i) => `${(SAMPLES - a.samples.length + i) * 2},${21 - 20 * v / top}`).join(' ');
    a.line.setAttribute('points', points);
    a.svg.setAttribute('aria-label', `at most ${top.toFixed(top < 10 ? 1 : 0)} a second in the last minute`);
}

function makeRow(a) {
    a.cells = {};
    a.row = element('tr');
    for (const c of COLUMNS) {
        const cell = c.key === 'name' ? element('th', {scope: 'row'}) : element('td');
        if (c.number) cell.className = 'number';
        if (c.key === 'error') cell.className = 'error';
        a.cells[c.key] = cell;
        a.row.append(cell);
    }
    a.cells.name.append(element('a', {href: `#account=${encodeURIComponent(a.name)}`}, a.name));
    a.svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    a.svg.setAttribute('class', 'spark');
    a.svg.setAttribute('viewBox', `0 0 ${(SAMPLES - 1) * 2} 22`);
    a.svg.setAttribute('preserveAspectRatio', 'none');
    a.svg.setAttribute('role', 'img');
    a.line = document.createElementNS('http://www.w3.org/2000/svg', 'polyline');
    a.svg.append(a.line);
    a.cells.spark.append(a.svg);
    drawSpark(a);
}

function put(cell, text) {
    if (cell.textContent !== text) cell.textContent = text;
}

function fill(a) {
    put(a.cells.objects, a.objects.toLocaleString());
    put(a.cells.watches, String(a.watches));
    put(a.cells.lag_us, a.events ? seconds(a.lag_us) : '');
    put(a.cells.rate, a.rate ? a.rate.toFixed(a.rate < 10 ? 1 : 0) : '');
    put(a.cells.restarts, a.restarts ? String(a.restarts) : '');
    put(a.cells.error, GOOD.has(a.state) ? '' : a.error);
    if (a.cells.state.textContent !== a.state) a.cells.state.replaceChildren(element('span', {class: `state ${tone(a.state)}`}, a.state));
}

function take(values) {
    const fresh = Object.fromEntries(FIELDS.map((f, i) => [f, values[i]]));
    const a = accounts.get(fresh.name);
    if (a) return Object.assign(a, fresh);
    const made = {...fresh, rate: 0, samples: [], before: fresh.events};
    accounts.set(made.name, made);
    makeRow(made);
    return made;
}

// Once a second: rates, from counters that only say how many in all.
function sample() {
    for (const a of accounts.values()) {
        const rate = Math.max(0, a.events - a.before);
        a.before = a.events;
        const flat = rate === 0 && a.samples.every((v) => v === 0);
        a.samples.push(rate);
        if (a.samples.length > SAMPLES) a.samples.shift();
        a.rate = a.samples.slice(-5).reduce((x, y) => x + y, 0) / Math.min(5, a.samples.length);
        if (!flat) {
            drawSpark(a);
            fill(a);
        }
    }
}

function show() {
    const all = [...accounts.values()];
    const seen = all.filter(matches).sort(compare);
    const rows = $('rows');
    // Only what stands elsewhere than before is moved, so that focus and scrolling stay.
    seen.forEach((a, i) => {
        if (rows.children[i] !== a.row) rows.insertBefore(a.row, rows.children[i] || null);
    });
    while (rows.children.length > seen.length) rows.lastChild.remove();
    $('count').textContent = `${seen.length} of ${all.length} accounts`;
    $('empty').hidden = seen.length > 0;
    showStates(all);
}

function showStates(all) {
    const numbers = new Map();
    for (const a of all) numbers.set(a.state, (numbers.get(a.state) || 0) + 1);
    const box = $('states');
    for (const label of box.querySelectorAll('label')) if (!numbers.has(label.dataset.state) && !hidden.has(label.dataset.state)) label.remove();
    for (const [state, n] of [...numbers].sort()) {
        let label = box.querySelector(`label[data-state="${state}"]`);
        if (!label) {
            const input = element('input', {type: 'checkbox', checked: ''});
            input.addEventListener('change', () => {
                if (input.checked) hidden.delete(state); else hidden.add(state);
                show();
            });
            label = element('label', {'data-state': state}, input, element('span', {class: tone(state)}));
            box.append(label);
        }
        put(label.lastChild, ` ${state} ${n}`);
    }
}

function showAgent(agent) {
    const facts = {agent: agent.agent_id, version: agent.version, sink: agent.sink, uplink: agent.uplink};
    if (agent.plugin) facts.plugin = agent.plugin;
    if (!agent.valid) facts.configuration = 'not valid: see scale-agentd --check';
    $('agent').replaceChildren(...Object.entries(facts).map(([k, v]) => {
        const value = element('dd', {}, v);
        if (k === 'configuration') value.className = 'bad';
        if (k === 'uplink') value.className = tone(v);
        return element('div', {}, element('dt', {}, k), value);
    }));
    document.title = `scale-agent ${agent.agent_id}`;
}

// One account

function definitions(pairs) {
    const list = element('dl');
    for (const [k, v] of pairs) list.append(element('dt', {}, k), element('dd', {}, String(v)));
    return list;
}

function describe(a) {
    const at = [...document.querySelectorAll('#one-body .wide')].indexOf(document.activeElement);
    const mb = (n) => `${(n / 1e6).toFixed(1)} MB`;
    const on = (flag, name) => (a.sandbox[flag] ? [name] : []);
    const confined = [...on('uid', 'own user'), ...on('landlock', `Landlock ${a.sandbox.landlock_abi}`), ...on('seccomp', 'seccomp'),
        ...on('no_new_privs', 'no new privileges')];
    const ends = Object.entries(a.ends).map(([reason, n]) => `${reason} ${n}`);
    $('one-body').replaceChildren(
        definitions([['State', a.state], ['Last error', a.last_error ? `${a.last_error} (${a.last_error_age_s} s ago)` : 'none'],
            ['API server', a.server ? `${a.server} ${a.version}` : 'not reached yet'], ['Cluster', a.cluster || 'not known'], ['From', a.file]]),
        element('h3', {}, 'Stream'),
        definitions([['Objects', a.objects.toLocaleString()], ['Watches', a.watches], ['In step', `${a.scopes_in_step} of ${a.scopes}`],
            ['Events', a.events_total.toLocaleString()], ['Deltas', `${a.deltas_total.toLocaleString()}, ${mb(a.delta_bytes_total)}`],
            ['Not acknowledged', a.unacknowledged_deltas], ['Still to be sent', a.dirty_keys], ['Lag', seconds(a.lag_microseconds)],
            ['Lists', `${a.lists_total}, of which again ${a.relists_total}`], ['Requests', `${a.requests_total}, failed ${a.request_errors_total}`]]),
        element('h3', {}, 'Process'),
        definitions([['Process', a.pid ? `${a.process}, pid ${a.pid}, for ${a.uptime_s} s` : a.process], ['Memory', `${mb(a.memory_bytes)}, at most ${mb(a.memory_peak_bytes)}`],
            ['Processor time', seconds(a.cpu_us)], ['Restarts', a.restarts], ['Ends', ends.join(', ') || 'none'],
            ['Confined by', confined.join(', ') || 'nothing'], ['Not confined by', a.lacks || 'all is there']]),
        ...(a.watched ? history(a) : []));
    if (at >= 0) document.querySelectorAll('#one-body .wide')[at]?.focus({preventScroll: true});
}

// A table with a caption that is a heading, too: [title, number?] of each column, and rows of texts.
function table(title, columns, rows, none) {
    if (!rows.length) return [element('h3', {}, title), element('p', {}, none)];
    const head = element('tr', {}, ...columns.map(([text, number]) => element('th', {scope: 'col', class: number ? 'number' : ''}, text)));
    const body = rows.map((cells) => element('tr', {}, ...cells.map((cell, i) => (i === 0
        ? element('th', {scope: 'row'}, cell) : element('td', {class: columns[i][1] ? 'number' : ''}, cell)))));
    return [element('h3', {}, title), element('div', {class: 'wide', tabindex: '0', role: 'region', 'aria-label': title},
        element('table', {}, element('caption', {class: 'quiet'}, title), element('thead', {}, head), element('tbody', {}, ...body)))];
}

function ago(s) {
    if (s === undefined) return 'none yet';
    return s < 120 ? `${s} s ago` : s < 7200 ? `${Math.round(s / 60)} min ago` : `${Math.round(s / 3600)} h ago`;
}

const SCOPES_GOOD = new Set(['in step', 'followed']);
const SCOPES_BAD = new Set(['failing', 'forbidden']);

// What the account follows, what changed last, what was done.
function history(a) {
    const scope = (s) => element('span', {class: `state ${SCOPES_GOOD.has(s) ? 'good' : SCOPES_BAD.has(s) ? 'bad' : 'wait'}`}, s);
    const more = a.scopes - a.watched.length;
    const verbs = Object.entries(a.operations).map(([verb, v]) => {
        const all = Object.values(v.results).reduce((x, y) => x + y, 0);
        return [verb, String(all), Object.entries(v.results).map(([r, n]) => `${r} ${n}`).join(', '), seconds(Math.round(v.sum_us / all))];
    });
    return [...table('Watches', [['Resource'], ['State'], ['Objects', true], ['Last event', true]],
        a.watched.map((w) => [w.name, scope(w.state), w.objects.toLocaleString(), ago(w.event_age_s)]), 'Nothing is followed yet.'),
    ...(more > 0 ? [element('p', {}, `and ${more} more: scale-agentctl discover --account names them all`)] : []),
    ...table('Last changes', [['Object'], ['Change'], ['When', true]],
        a.last_changes.map((c) => [c.what, c.deleted ? 'deleted' : 'written', ago(c.age_s)]), 'None since the worker was started.'),
    ...table('Operations', [['Verb'], ['Number', true], ['Results'], ['Time on average', true]], verbs, 'None since the worker was started.'),
    ...table('Last operations', [['Object'], ['Verb'], ['Result'], ['Took', true], ['When', true]],
        a.last_operations.map((o) => [o.what || 'none', o.verb, o.result, o.ms === 0 ? 'below 1 ms' : seconds(o.ms * 1000), ago(o.age_s)]), 'None since the worker was started.')];
}

let details = {}; // of the chosen account: an answer that was made for others, too, has none

async function showOne() {
    const name = chosen;
    try {
        const answer = await fetch(`account?name=${encodeURIComponent(name)}`);
        if (name !== chosen) return;
        if (answer.ok) {
            const a = await answer.json();
            if (name !== chosen) return;
            if (a.watched) details = {watched: a.watched, last_changes: a.last_changes, last_operations: a.last_operations};
            describe({...a, ...details});
        }
        else $('one-body').replaceChildren(element('p', {}, answer.status === 404 ? 'There is no such account.' : `The agent answers ${answer.status}.`));
    } catch (e) {
        // The line at the top says that the agent does not answer.
    }
}

function route() {
    const name = /^#account=(.*)/.exec(location.hash);
    chosen = name ? decodeURIComponent(name[1]) : null;
    $('list').hidden = chosen !== null;
    $('one').hidden = chosen === null;
    if (chosen === null) return show();
    $('one-title').textContent = chosen;
    $('one-body').replaceChildren();
    details = {};
    $('one-title').focus();
    return showOne();
}

// Live

function connect() {
    const events = new EventSource('events');
    const rows = (e) => JSON.parse(e.data).map(take);
    events.addEventListener('all', (e) => {
        const named = new Set(JSON.parse(e.data).map((r) => r[0]));
        for (const [name, a] of accounts) {
            if (!named.has(name)) {
                a.row.remove();
                accounts.delete(name);
            }
        }
        rows(e).forEach(fill);
        show();
    });
    events.addEventListener('some', (e) => {
        rows(e).forEach(fill);
        show();
    });
    events.addEventListener('agent', (e) => showAgent(JSON.parse(e.data)));
    events.addEventListener('tick', () => {
        sample();
        if (chosen !== null) showOne();
        else if (order.key === 'rate') show();
    });
    events.onopen = () => {
        $('live').textContent = 'live';
        $('live').className = '';
    };
    events.onerror = () => {
        $('live').textContent = 'the agent does not answer; trying again';
        $('live').className = 'lost';
        if (events.readyState === EventSource.CLOSED) setTimeout(connect, 3000);
    };
}

function start() {
    for (const c of COLUMNS) {
        const button = element('button', {type: 'button'}, c.title);
        const cell = element('th', {scope: 'col'}, button);
        const key = c.sort || c.key;
        if (c.number) cell.className = 'number';
        cell.dataset.key = c.key;
        button.addEventListener('click', () => {
            order = {key, down: order.key === key ? !order.down : Boolean(c.number)};
            for (const other of $('head').children) other.removeAttribute('aria-sort');
            cell.setAttribute('aria-sort', order.down ? 'descending' : 'ascending');
            show();
        });
        if (c.key === order.key) cell.setAttribute('aria-sort', 'ascending');
        $('head').append(cell);
    }
    $('search').addEventListener('input', show);
    $('filter').addEventListener('submit', (e) => e.preventDefault());
    window.addEventListener('hashchange', route);
    route();
    connect();
}

start();
