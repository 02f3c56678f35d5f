import type { Event } from '@gen/lucid/sessions/v1/event_pb';

interface Line {
  readonly text: string;
  readonly href: string;
}

/** One plain line for an event that has no card of its own, also for kinds that are not known here. */
export function eventLine(event: Event): Line {
  const payload = event.payload;
  switch (payload.case) {
    case 'modelSelected':
      return plain(`Model: ${payload.value.model}${dash(payload.value.detail)}`);
    case 'contextCompacted':
      return plain(`Older history was summed up (${payload.value.tokensBefore} → ${payload.value.tokensAfter} tokens)`);
    case 'stuckDetected':
      return plain(`The agent repeats itself${dash(payload.value.pattern)}`);
    case 'branchPushed':
      return plain(`Pushed ${payload.value.branch} to ${payload.value.repo} (${payload.value.commit.slice(0, 7)})`);
    case 'taskLinked':
      return { text: `Task: ${payload.value.title}`, href: payload.value.url };
    case 'notionUpdated':
      return { text: `Notion: ${payload.value.field} set to ${payload.value.to}`, href: payload.value.url };
    case 'triggerReceived':
      return { text: `Started by ${payload.value.kind}${dash(payload.value.actor)}`, href: payload.value.url };
    default:
      return plain('Something happened that this page is too old to show. Reload it.');
  }
}

function plain(text: string): Line {
  return { text, href: '' };
}

function dash(text: string): string {
  return text === '' ? '' : ` – ${text}`;
}
