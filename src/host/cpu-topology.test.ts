import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { cpuTopology, MAX_CPUS, nodeMemoryBytes } from './cpu-topology.ts';

let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'virtstat-cpus-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function write(path: string, text: string): void {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${text}\n`);
}

/** A processor by where it is. */
function cpu(number: number, socket: number, core: number, siblings: string): void {
  const folder = `cpu/cpu${number}/topology`;
  write(`${folder}/physical_package_id`, `${socket}`);
  write(`${folder}/core_id`, `${core}`);
  write(`${folder}/thread_siblings_list`, siblings);
}

describe('cpuTopology', () => {
  it('counts nodes, sockets of a node, cores of a socket, threads of a core', () => {
    write('cpu/present', '0-15');
    for (const node of [0, 1]) {
      write(`node/node${node}/cpulist`, `${4 * node}-${4 * node + 3},${4 * node + 8}-${4 * node + 11}`);
    }
    for (let number = 0; number < 16; number++) {
      const core = number % 8;
      cpu(number, Math.floor(core / 4), core % 4, `${core},${core + 8}`);
    }
    expect(cpuTopology(root)).toEqual({ nodes: 2, sockets: 1, cores: 4, threads: 2 });
  });

  it('has one node where the kernel knows of none', () => {
    write('cpu/present', '0-3');
    for (let number = 0; number < 4; number++) cpu(number, number >> 1, number & 1, `${number}`);
    expect(cpuTopology(root)).toEqual({ nodes: 1, sockets: 2, cores: 2, threads: 1 });
  });

  it.each<[string, () => void]>([
    ['a node without processors', () => write('node/node1/cpulist', '')],
    ['cores of the same number on two dies', () => cpu(2, 0, 0, '2')],
    ['a processor that is offline', () => rmSync(join(root, 'cpu/cpu2'), { recursive: true })],
  ])('takes all for cores of one socket where %s makes the product wrong', (_what, change) => {
    write('cpu/present', '0-2');
    write('node/node0/cpulist', '0-2');
    for (let number = 0; number < 3; number++) cpu(number, 0, number, `${number}`);
    expect(cpuTopology(root)).toEqual({ nodes: 1, sockets: 1, cores: 3, threads: 1 });
    change();
    expect(cpuTopology(root)).toEqual({ nodes: 1, sockets: 1, cores: 3, threads: 1 });
  });

  it('takes as many processors as there can be, and no list of more', () => {
    expect(cpuTopology(root)).toBeUndefined();
    write('cpu/present', `0-${MAX_CPUS - 1}`);
    expect(cpuTopology(root)?.cores).toBe(MAX_CPUS);
    for (const list of [`0-${MAX_CPUS}`, `0-${MAX_CPUS - 1},9999`, '0-99999', '3-', 'x', '']) {
      write('cpu/present', list);
      expect(cpuTopology(root)).toBeUndefined();
    }
  });

  it('knows this machine', () => {
    const { nodes = 0, sockets = 0, cores = 0, threads = 0 } = cpuTopology() ?? {};
    expect(nodes * sockets * cores * threads).toBeGreaterThan(0);
  });
});

describe('nodeMemoryBytes', () => {
  it('adds up the memory of all nodes', () => {
    expect(nodeMemoryBytes(root)).toBeUndefined();
    write('node/node0/meminfo', 'Node 0 MemTotal:        7956684 kB\nNode 0 MemFree:         3621788 kB');
    expect(nodeMemoryBytes(root)).toBe(7_956_684n * 1024n);
    write('node/node1/meminfo', 'Node 1 MemTotal:           1024 kB');
    expect(nodeMemoryBytes(root)).toBe(7_957_708n * 1024n);
  });

  it('says nothing where one node’s is not known', () => {
    write('node/node0/meminfo', 'Node 0 MemTotal:        7956684 kB');
    write('node/node1/meminfo', 'nothing');
    expect(nodeMemoryBytes(root)).toBeUndefined();
  });
});
