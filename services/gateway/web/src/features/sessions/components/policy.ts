import { ConfirmationMode } from '@gen/lucid/sessions/v1/event_pb';

/** How a session works, as the services take it; 0 and empty mean the installation's default. */
export interface Policy {
  readonly confirmation: ConfirmationMode;
  readonly budget: { readonly costMicros: bigint; readonly steps: number; readonly seconds: number };
  readonly fallbackModel: string;
}

/** What is known of it: of a record, or of the last change in the log. */
export interface StoredPolicy {
  readonly confirmation?: ConfirmationMode;
  readonly budget?: Policy['budget'] | undefined;
  readonly fallbackModel?: string;
}

/** The same as a person writes it: dollars and minutes, empty for the default. */
export interface PolicyDraft {
  readonly confirmation: ConfirmationMode;
  readonly dollars: string;
  readonly steps: string;
  readonly minutes: string;
  readonly fallbackModel: string;
}

export const NO_DRAFT: PolicyDraft = { confirmation: ConfirmationMode.UNSPECIFIED, dollars: '', steps: '', minutes: '', fallbackModel: '' };

/** What is stored, as a person writes it. */
export function draftOf(policy: StoredPolicy): PolicyDraft {
  const { confirmation = ConfirmationMode.UNSPECIFIED, budget, fallbackModel = '' } = policy;
  return {
    confirmation,
    dollars: text(Number(budget?.costMicros ?? 0n) / 1_000_000),
    steps: text(budget?.steps ?? 0),
    minutes: text((budget?.seconds ?? 0) / 60),
    fallbackModel,
  };
}

/** What a person has written, as it is stored; undefined where a number is none. */
export function policyOf(draft: PolicyDraft): Policy | undefined {
  const dollars = number(draft.dollars);
  const steps = number(draft.steps);
  const minutes = number(draft.minutes);
  if (dollars === undefined || steps === undefined || minutes === undefined) return undefined;
  const budget = { costMicros: BigInt(Math.round(dollars * 1_000_000)), steps: Math.round(steps), seconds: Math.round(minutes * 60) };
  return { confirmation: draft.confirmation, budget, fallbackModel: draft.fallbackModel };
}

function text(value: number): string {
  return value === 0 ? '' : String(Math.round(value * 1e6) / 1e6);
}

/** Nothing below 0 and nothing that a field of the protos could not hold. */
function number(value: string): number | undefined {
  if (value.trim() === '') return 0;
  const parsed = Number(value.trim().replace(',', '.'));
  return Number.isFinite(parsed) && parsed >= 0 && parsed < 1e7 ? parsed : undefined;
}
