import type { ReactNode } from 'react';
import { StatusChanged_Phase as Phase } from '@gen/lucid/sessions/v1/event_pb';
import { Button } from '@/components/ui/button';
import { Icon } from '@/components/ui/icon';
import { Notice } from '@/components/ui/notice';
import { errorText } from '@/lib/errors';
import { usePauseSession } from '../api/pause-session';
import { useResumeSession } from '../api/resume-session';
import { useStopSession } from '../api/stop-session';
import type { TimelineStore } from '../stores/timeline-store';
import { useTopic } from '../stores/use-timeline';
import { phaseLook } from './phase';

/** Stop, and pause where there is something to pause; what is under way says so until the log confirms it. */
export function RunButtons({ store }: { store: TimelineStore }): ReactNode {
  useTopic(store, 'header');
  const { phase } = store.timeline.header;
  const { busy } = phaseLook(phase);
  const asks = store.timeline.waiting.size > 0;
  const { sessionId } = store;
  const stop = useStopSession(sessionId);
  const pause = usePauseSession(sessionId);
  if (!busy && !asks && phase !== Phase.PAUSED) return null;
  const failed = stop.isError ? stop.error : pause.isError ? pause.error : undefined;
  const stopping = phase === Phase.STOPPING || stop.isPending;
  const pausing = phase === Phase.PAUSING || pause.isPending;
  const pausable = busy && phase !== Phase.WAITING_APPROVAL && !stopping;
  return (
    <>
      <Notice text={failed === undefined ? '' : errorText(failed)} />
      {pausable && (
        <Button look="quiet" className="run-button" busy={pausing} aria-label={pausing ? 'Pausing' : 'Pause'} data-testid="pause" onClick={() => pause.mutate()}>
          <Icon name="pause" size={14} /> <span className="run-word">{pausing ? 'Pausing…' : 'Pause'}</span>
        </Button>
      )}
      <Button look="danger" className="run-button" busy={stopping} aria-label={stopping ? 'Stopping' : 'Stop'} data-testid="stop" onClick={() => stop.mutate()}>
        <Icon name="stop" size={14} /> <span className="run-word">{stopping ? 'Stopping…' : 'Stop'}</span>
      </Button>
    </>
  );
}

/** Why nothing moves, and how to go on. */
export function PauseNote({ store }: { store: TimelineStore }): ReactNode {
  useTopic(store, 'header');
  const resume = useResumeSession(store.sessionId);
  const { header, queue } = store.timeline;
  const words = stillness(header.phase, queue.length);
  if (words === '') return null;
  return (
    <div className="run-note" data-testid="run-note">
      <span>{words}</span>
      <Notice text={resume.isError ? errorText(resume.error) : ''} />
      <Button look="primary" busy={resume.isPending} data-testid="resume" onClick={() => resume.mutate()}>
        <Icon name="play" size={14} /> Go on
      </Button>
    </div>
  );
}

/** Words for a session that a person can set going again without a message; empty for any other. */
function stillness(phase: Phase, waits: number): string {
  const messages = waits === 1 ? 'one message waits' : `${waits} messages wait`;
  if (phase === Phase.PAUSED) return waits > 0 ? `Paused; ${messages}.` : 'Paused. Everything is kept as it is.';
  if (waits === 0) return '';
  if (phase === Phase.STOPPED) return `Stopped; ${messages}. Go on with ${waits === 1 ? 'it' : 'the first'}, or write something else.`;
  return phase === Phase.FAILED ? `The last turn failed; ${messages}.` : '';
}
