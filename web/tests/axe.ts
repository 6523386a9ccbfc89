/** What axe finds wrong, in lines that a person can read. */
import axe from 'axe-core';

export async function faults(root: Element = document.body): Promise<string[]> {
  const found = await axe.run(root, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21aa', 'wcag22aa'],
    resultTypes: ['violations'],
  });
  return found.violations.flatMap((fault) =>
    fault.nodes.map(
      (node) => `${fault.impact} ${fault.id}: ${node.target.join(' ')} ${node.failureSummary ?? ''}`,
    ),
  );
}
