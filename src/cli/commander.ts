import type * as Typed from '@commander-js/extra-typings';
import * as untyped from 'commander';

/**
 * commander with the types of its typed extras, which add nothing at run time and would cost start-up time as a package of
 * their own.
 */
const commander = untyped as unknown as typeof Typed;

/** A declared argument of a command. */
export const Argument: typeof Typed.Argument = commander.Argument;

/** A command, or the program. */
export const Command: typeof Typed.Command = commander.Command;

/** What commander raises in place of ending the process: help that was asked for, or wrong usage, already reported. */
export const CommanderError: typeof Typed.CommanderError = commander.CommanderError;

/** What a parser of an option's value raises. */
export const InvalidArgumentError: typeof Typed.InvalidArgumentError = commander.InvalidArgumentError;

/** A declared option of a command. */
export const Option: typeof Typed.Option = commander.Option;

/** A command whose arguments and options are not known to the compiler. */
export type AnyCommand = Typed.Command;
