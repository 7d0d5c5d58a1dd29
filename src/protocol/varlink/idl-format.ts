import type { IdlField, IdlInterface, IdlMember, IdlType } from './idl.ts';

/** Longest list of fields that is put on one line, indented, in characters. */
const LIST_LENGTH = 72;

/** The text of a definition in its usual form; reading it gives the same definition. */
export function formatIdl(definition: IdlInterface): string {
  const head = `${formatComment(definition.comment, '')}interface ${definition.name}\n`;
  return [head, ...definition.members.map(formatMember)].join('\n');
}

function formatMember(member: IdlMember): string {
  return `${formatComment(member.comment, '')}${member.kind} ${member.name}${formatRest(member)}\n`;
}

function formatRest(member: IdlMember): string {
  if (member.kind === 'type') return ` ${formatType(member.type)}`;
  if (member.kind === 'error') return ` ${formatType(member.parameters)}`;
  return `${formatType(member.input)} -> ${formatType(member.output)}`;
}

/** A type as it is written, on one line where it is short and has no comments inside. */
export function formatType(type: IdlType, indent = ''): string {
  switch (type.kind) {
    case 'named':
      return type.name;
    case 'maybe':
      return `?${formatType(type.of, indent)}`;
    case 'array':
      return `[]${formatType(type.of, indent)}`;
    case 'dict':
      return `[string]${formatType(type.of, indent)}`;
    case 'enum':
      return formatList(
        type.values.map((name) => ({ text: name, comment: '' })),
        indent,
      );
    case 'struct':
      return formatList(
        type.fields.map((field) => formatField(field, indent)),
        indent,
      );
    default:
      return type.kind;
  }
}

interface Item {
  readonly text: string;
  readonly comment: string;
}

function formatField(field: IdlField, indent: string): Item {
  return { text: `${field.name}: ${formatType(field.type, `${indent}  `)}`, comment: field.comment };
}

function formatList(items: readonly Item[], indent: string): string {
  const line = `(${items.map(({ text }) => text).join(', ')})`;
  const isPlain = items.every(({ text, comment }) => comment === '' && !text.includes('\n'));
  if (isPlain && indent.length + line.length <= LIST_LENGTH) return line;
  const inner = `${indent}  `;
  const lines = items.map(({ text, comment }) => `${formatComment(comment, inner)}${inner}${text}`);
  return `(\n${lines.join(',\n')}\n${indent})`;
}

function formatComment(comment: string, indent: string): string {
  if (comment === '') return '';
  return `${comment
    .split('\n')
    .map((line) => `${indent}# ${line}`.trimEnd())
    .join('\n')}\n`;
}
