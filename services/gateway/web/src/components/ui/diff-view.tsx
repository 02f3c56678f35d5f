import { lazy, Suspense } from 'react';
import type { ReactNode } from 'react';

const DiffBody = lazy(() => import('./diff-body'));

/** A unified diff; with `titles` each file's path stands over it. */
export function DiffView({ diff, titles = false }: { diff: string; titles?: boolean }): ReactNode {
  return (
    <div className="diff-box">
      <Suspense fallback={<pre className="diff-raw">{diff.slice(0, 4000)}</pre>}>
        <DiffBody diff={diff} titles={titles} />
      </Suspense>
    </div>
  );
}

/** `+12 −3`. */
export function DiffCounts({ added, removed }: { added: number; removed: number }): ReactNode {
  return (
    <span className="diff-counts">
      <span className="diff-added" data-testid="diff-added">
        +{added}
      </span>{' '}
      <span className="diff-removed" data-testid="diff-removed">
        −{removed}
      </span>
    </span>
  );
}
