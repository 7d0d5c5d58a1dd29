import { writeFileSync } from 'node:fs';
import type { Reporter, SerializedError, TestCase, TestModule } from 'vitest/node';

/** Where the count goes as JSON, so that whoever runs vitest can print it as the very last line; absent: not written. */
const COUNT_FILE: string | undefined = process.env['VIRTSTAT_TEST_COUNT'];

/**
 * Lists the skipped tests with their reasons and counts all: a module that does not load and an error outside of any
 * test count as a failure each.
 */
export default class CountReporter implements Reporter {
  /** Called by vitest when all has run. */
  onTestRunEnd(modules: readonly TestModule[], errors: readonly SerializedError[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const inState = (state: string): readonly TestCase[] => tests.filter((test) => test.result().state === state);
    const skipped = inState('skipped').filter(isNotFilteredOut);
    const brokenModules = modules.filter((module) => module.errors().length > 0).length;
    const count = {
      passed: inState('passed').length,
      failed: inState('failed').length + brokenModules + errors.length,
      skipped: skipped.length,
    };
    for (const [reason, names] of byReason(skipped)) console.log(`skipped, ${reason}:\n${names.join('\n')}`);
    if (COUNT_FILE !== undefined) writeFileSync(COUNT_FILE, JSON.stringify(count));
  }
}

/** Tests that a name pattern on the command line left out are not skipped: nobody asked for them. */
function isNotFilteredOut(test: TestCase): boolean {
  return test.project.config.testNamePattern === undefined || test.project.config.testNamePattern.test(test.fullName);
}

function byReason(tests: readonly TestCase[]): Map<string, string[]> {
  const groups = new Map<string, string[]>();
  for (const test of tests) {
    const result = test.result();
    const reason = (result.state === 'skipped' && result.note) || 'no reason given';
    const names = groups.get(reason) ?? [];
    groups.set(reason, [...names, `  ${test.module.relativeModuleId} > ${test.fullName}`]);
  }
  return groups;
}
