import { memo } from 'react';
import type { ReactNode } from 'react';
import type { Card } from '../stores/cards';
import type { TimelineStore } from '../stores/timeline-store';
import { useCard } from '../stores/use-timeline';
import { AgentText } from './agent-text';
import { ApprovalCard } from './approval-card';
import { CommandBlock } from './command-block';
import { DiffBlock } from './diff-block';
import { ErrorCard } from './error-card';
import { PlanList } from './plan-list';
import { PullRequestCard } from './pull-request-card';
import { RewindLine } from './rewind-line';
import { PlainLine, StatusLine, TurnDivider } from './thin-lines';
import { ToolBlock } from './tool-card';
import { UserMessage } from './user-message';

interface CardViewProps {
  readonly store: TimelineStore;
  readonly id: string;
  readonly onRetry: () => void;
}

/** One card; it renders again when its own card has changed, whatever happens around it. */
export const CardView = memo(function CardView({ store, id, onRetry }: CardViewProps): ReactNode {
  const card = useCard(store, id);
  return card === undefined ? null : look(card, store, onRetry);
});

function look(card: Card, store: TimelineStore, onRetry: () => void): ReactNode {
  switch (card.kind) {
    case 'message':
      return <UserMessage card={card} />;
    case 'text':
      return <AgentText card={card} />;
    case 'command':
      return <CommandBlock card={card} />;
    case 'diff':
      return <DiffBlock card={card} store={store} />;
    case 'rewind':
      return <RewindLine card={card} store={store} />;
    case 'plan':
      return <PlanList card={card} />;
    case 'tool':
      return <ToolBlock card={card} />;
    case 'approval':
      return <ApprovalCard card={card} sessionId={store.sessionId} />;
    case 'error':
      return <ErrorCard card={card} onRetry={onRetry} />;
    case 'status':
      return <StatusLine card={card} />;
    case 'pull-request':
      return <PullRequestCard card={card} />;
    case 'turn':
      return <TurnDivider card={card} />;
    case 'line':
      return <PlainLine card={card} />;
  }
}
