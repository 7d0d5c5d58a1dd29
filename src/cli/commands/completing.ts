import { SHELLS } from '../arguments.ts';
import { type AnyCommand, Argument } from '../commander.ts';
import { examples, type Finish } from './description.ts';

/** Describes `completion`. */
export function addCompletion(program: AnyCommand, finish: Finish): void {
  program
    .command('completion')
    .description('print the completion script for a shell')
    .addArgument(new Argument('<shell>', 'the shell').choices(SHELLS))
    .addHelpText('after', examples('source <(virtstat completion bash)', 'virtstat completion fish | source'))
    .action(async (shell) => {
      const { printCompletionScript } = await import('../verbs/completion.ts');
      finish(await printCompletionScript(shell));
    });
}

/** Describes what the completion scripts call. */
export function addComplete(program: AnyCommand, finish: Finish): void {
  program
    .command('complete', { hidden: true })
    .description('what the completion scripts call: complete -- WORDS...')
    .argument('[words...]')
    .action(async (words) => {
      const { completeWords } = await import('../verbs/completion.ts');
      finish(await completeWords(words));
    });
}
