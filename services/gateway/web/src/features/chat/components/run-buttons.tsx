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
  const { busy, name } = phaseLook(phase);
  const { sessionId } = store;
  const stop = useStopSession(sessionId);
  const pause = usePauseSession(sessionId);
  if (!busy && phase !== Phase.PAUSED) return null;
  const failed = stop.isError ? stop.error : pause.isError ? pause.error : undefined;
  const stopping = phase === Phase.STOPPING || stop.isPending;
  const pausing = name === 'pausing' || pause.isPending;
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
  const waits = queue.length;
  if (header.phase === Phase.STOPPED && waits > 0) {
    return (
      <p className="run-note" data-testid="run-note">
        Stopped. {waits === 1 ? 'One message waits' : `${waits} messages wait`}: the agent takes {waits === 1 ? 'it' : 'them'} after your next message.
      </p>
    );
  }
  if (header.phase !== Phase.PAUSED) return null;
  return (
    <div className="run-note" data-testid="run-note">
      <span>Paused. Everything is kept as it is{waits > 0 && ', messages wait'}.</span>
      <Notice text={resume.isError ? errorText(resume.error) : ''} />
      <Button look="primary" busy={resume.isPending} data-testid="resume" onClick={() => resume.mutate()}>
        <Icon name="play" size={14} /> Go on
      </Button>
    </div>
  );
}
