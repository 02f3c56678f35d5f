import type { ReactNode } from 'react';
import { Link } from 'wouter';

/** For addresses that lead nowhere. */
export function NotFoundRoute(): ReactNode {
  return (
    <div className="page">
      <h1>Nothing here</h1>
      <p>
        This address leads nowhere. <Link href="/">Start a session</Link>
      </p>
    </div>
  );
}
