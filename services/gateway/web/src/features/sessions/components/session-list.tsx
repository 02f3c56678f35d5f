import { useInfiniteQuery } from '@tanstack/react-query';
import { useDeferredValue, useState } from 'react';
import type { ReactNode } from 'react';
import { Button } from '@/components/ui/button';
import { Notice, Spinner } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { sessionsQuery } from '../api/list-sessions';
import { SessionItem } from './session-item';

interface SessionListProps {
  readonly current: string;
  readonly onDeleted: (sessionId: string) => void;
}

/** The list of conversations, most recently changed first, with a search over title and task. */
export function SessionList({ current, onDeleted }: SessionListProps): ReactNode {
  const [search, setSearch] = useState('');
  const query = useDeferredValue(search.trim());
  const pages = useInfiniteQuery(sessionsQuery(query));
  const all = pages.data?.pages.flatMap((page) => page.sessions) ?? [];
  return (
    <section className="session-list" aria-label="Conversations">
      <input
        className="input input-small"
        type="search"
        placeholder="Search conversations"
        aria-label="Search conversations"
        value={search}
        onChange={(event) => setSearch(event.target.value)}
      />
      {pages.isPending && <Spinner label="Loading" />}
      <Notice text={pages.isError ? errorText(pages.error) : ''} />
      <ul>
        {all.map((session) => (
          <SessionItem
            key={session.sessionId}
            session={session}
            current={session.sessionId === current}
            onDeleted={() => onDeleted(session.sessionId)}
          />
        ))}
      </ul>
      {pages.isSuccess && all.length === 0 && (
        <p className="muted small session-none">{query === '' ? 'No conversations yet.' : 'Nothing found.'}</p>
      )}
      {pages.hasNextPage && (
        <Button look="quiet" busy={pages.isFetchingNextPage} onClick={() => void pages.fetchNextPage()}>
          Show older
        </Button>
      )}
    </section>
  );
}
