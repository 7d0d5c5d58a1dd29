import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import type { AnyCommand } from '../src/cli/commander.ts';
import { buildProgram } from '../src/cli/program.ts';
import { ERROR_CODES } from '../src/model/errors.ts';

const ROOT = new URL('..', import.meta.url).pathname;
const LINES_LIMIT = 500;
const CODE = /\.(ts|tsx|js)$/;

/** Files below a folder of the project whose names fit, as paths from the project's root. */
function filesIn(folder: string, fits: RegExp): readonly string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => fits.test(name) && !name.includes('node_modules'))
    .map((name) => join(folder, name))
    .sort();
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

// Those that `npm run proto` writes are nobody's to read.
const sources = filesIn('src', /\.tsx?$/).filter((path) => !/(\.test|_pb)\.tsx?$/.test(path));
const allCode = ['src', 'test', 'scripts', 'bench', 'fuzz', 'bin'].flatMap((folder) => filesIn(folder, CODE));

/** Exported declarations without a doc comment, as `path:line name`. What is only re-exported has its comment elsewhere. */
function undocumented(path: string, text: string): readonly string[] {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  return file.statements.flatMap((statement) => {
    const modifiers = ts.canHaveModifiers(statement) ? (ts.getModifiers(statement) ?? []) : [];
    if (!modifiers.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword)) return [];
    const name =
      /export (?:declare |abstract |async |default )*(?:[a-z]+\*? )?([\w$]+)/.exec(statement.getText())?.[1] ?? '';
    // An overload carries the comment of its first signature.
    const isLaterOverload =
      ts.isFunctionDeclaration(statement) && file.statements.some((other) => isOverload(other, statement));
    if (isLaterOverload || /^\/\*\*/.test(lastComment(statement, text))) return [];
    return [`${path}:${file.getLineAndCharacterOfPosition(statement.getStart()).line + 1} ${name}`];
  });
}

function isOverload(other: ts.Statement, later: ts.FunctionDeclaration): boolean {
  return ts.isFunctionDeclaration(other) && other.name?.text === later.name?.text && other.pos < later.pos;
}

function lastComment(statement: ts.Statement, text: string): string {
  const comment = ts.getLeadingCommentRanges(text, statement.pos)?.at(-1);
  return comment === undefined ? '' : text.slice(comment.pos, comment.end);
}

/** Codes that have a section in docs/errors.md. */
function documentedCodes(): readonly string[] {
  return [...read('docs/errors.md').matchAll(/^### ([A-Z_]+)$/gm)].flatMap(([, code]) => code ?? []);
}

describe('the house', () => {
  it(`has no source file above ${LINES_LIMIT} lines`, () => {
    const long = sources.map((path) => [path, read(path).split('\n').length - 1] as const);
    expect(long.filter(([, lines]) => lines > LINES_LIMIT)).toEqual([]);
  });

  it('has a doc comment on every exported thing', () => {
    expect(sources.flatMap((path) => undocumented(path, read(path)))).toEqual([]);
  });

  it('finds exports without a doc comment', () => {
    const text = [
      '/** Said. */\nexport const said = 1;',
      'export const silent = 1;',
      '// Not a doc comment.\nexport function plain(): void {}',
      "export { other } from './other.ts';",
      'const own = 1;',
    ];
    expect(undocumented('a.ts', `${text.join('\n')}\n`)).toEqual(['a.ts:3 silent', 'a.ts:5 plain']);
  });

  it('leaves nothing for later, and no test that shuts the others out', () => {
    const words = new RegExp(
      `\\b(${['TO' + 'DO', 'FIX' + 'ME', 'X' + 'XX'].join('|')})\\b|\\b(it|test|describe)\\.${'only'}\\(`,
    );
    const found = allCode.flatMap((path) =>
      read(path)
        .split('\n')
        .flatMap((line, index) => (words.test(line) ? [`${path}:${index + 1} ${line.trim()}`] : [])),
    );
    expect(found).toEqual([]);
  });

  it('imports its own files by the names they have', () => {
    const wrong = sources.flatMap((path) =>
      [...read(path).matchAll(/(?:from|import)\s*\(?'(\.{1,2}\/[^']*)'/g)].flatMap(([, target = '']) =>
        /\.(tsx?|json)$/.test(target) ? [] : [`${path}: ${target}`],
      ),
    );
    expect(wrong).toEqual([]);
  });
});

/** A package in package-lock.json, as far as it is read here. */
interface LockedPackage {
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

describe('package-lock.json', () => {
  // npm leaves out those that it cannot find while it writes the file; `npm ci` then fails for everybody.
  it('names the packages of every platform', () => {
    const { packages } = JSON.parse(read('package-lock.json')) as { packages: Readonly<Record<string, LockedPackage>> };
    const names = new Set(Object.keys(packages).map((path) => path.slice(path.lastIndexOf('node_modules/') + 13)));
    const optional = Object.values(packages).flatMap((each) => Object.keys(each.optionalDependencies ?? {}));
    expect(optional.length).toBeGreaterThan(0);
    expect(optional.filter((name) => !names.has(name))).toEqual([]);
  });

  it('names no registry', () => {
    expect(read('package-lock.json')).not.toContain('"resolved": "http');
  });
});

describe('docs/errors.md', () => {
  it('explains every error code, and no other', () => {
    expect([...documentedCodes()].sort()).toEqual(Object.keys(ERROR_CODES).sort());
  });

  it('explains them in the order of the table', () => {
    expect(documentedCodes()).toEqual(Object.keys(ERROR_CODES));
  });
});

/** The options of a command that help shows, by the long name. */
function optionsOf(command: AnyCommand): readonly string[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ long }) => long ?? []);
}

/** The options of each command by its full name without `virtstat`; those of the program itself by the empty one. */
function programOptions(): Readonly<Record<string, readonly string[]>> {
  const found: Record<string, readonly string[]> = {};
  const visit = (name: string, command: AnyCommand): void => {
    const subcommands = command.createHelp().visibleCommands(command);
    // A command that has commands does nothing itself; its `help` is everybody's.
    if (subcommands.length === 0 || name === '') {
      found[name] = optionsOf(command).filter((option) => name === '' || option !== '--help');
    }
    for (const each of subcommands) {
      if (name === '' || each.name() !== 'help') visit(`${name} ${each.name()}`.trim(), each as AnyCommand);
    }
  };
  visit(
    '',
    buildProgram(() => undefined),
  );
  return found;
}

/** The same, as docs/cli.md has it: a heading for each command, a row of a table for each of its options. */
function documentedOptions(): Readonly<Record<string, readonly string[]>> {
  const optionsIn = (text: string): readonly string[] =>
    [...text.matchAll(/^\| (?:`-\w[^`]*`, )?`(--[a-z.-]+)/gm)].flatMap(([, option]) => option ?? []);
  const [, everywhere = '', commands = ''] =
    /^## Options of every command$(.*?)^## Commands$(.*?)^## /ms.exec(read('docs/cli.md')) ?? [];
  const sections = commands.split(/^### `virtstat (.*)`$/m).slice(1);
  const found: Record<string, readonly string[]> = { '': optionsIn(everywhere) };
  for (let index = 0; index < sections.length; index += 2) {
    found[sections[index] ?? ''] = optionsIn(sections[index + 1] ?? '');
  }
  return found;
}

/** Names of environment variables that the program reads. */
function variablesRead(): readonly string[] {
  const found = sources.flatMap((path) =>
    [...read(path).matchAll(/\benv\['(\w+)'\]/g)].flatMap(([, name]) => name ?? []),
  );
  return [...new Set(found)].sort();
}

describe('docs/cli.md', () => {
  it('has every command and every option of the program, and no other', () => {
    const sorted = (options: Readonly<Record<string, readonly string[]>>) =>
      Object.fromEntries(Object.entries(options).map(([name, each]) => [name, [...each].sort()]));
    expect(sorted(documentedOptions())).toEqual(sorted(programOptions()));
  });

  it('has every variable of the environment that is read', () => {
    const variables = variablesRead();
    expect(variables).toContain('VIRTSTAT_DEFAULT_URI');
    expect(variables.filter((name) => !read('docs/cli.md').includes(`\`${name}\``))).toEqual([]);
  });
});
