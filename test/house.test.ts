import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
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

const sources = filesIn('src', /\.tsx?$/).filter((path) => !/\.test\.tsx?$/.test(path));
const allCode = ['src', 'test', 'scripts', 'bench', 'bin'].flatMap((folder) => filesIn(folder, CODE));

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
