import { ConfirmationMode } from '@gen/lucid/sessions/v1/event_pb';
import { describe, expect, it } from 'vitest';
import { draftOf, NO_DRAFT, policyOf } from './policy';

describe('settings as a person writes them', () => {
  it('come back as they went', () => {
    const policy = {
      confirmation: ConfirmationMode.RISKY,
      budget: { costMicros: 2_500_000n, steps: 40, seconds: 900 },
      fallbackModel: 'openai/gpt-5',
    };
    expect(draftOf(policy)).toMatchObject({ dollars: '2.5', steps: '40', minutes: '15' });
    expect(policyOf(draftOf(policy))).toEqual(policy);
  });

  it('are the defaults where nothing is written', () => {
    expect(draftOf({})).toEqual(NO_DRAFT);
    expect(policyOf(NO_DRAFT)?.budget).toEqual({ costMicros: 0n, steps: 0, seconds: 0 });
  });

  it('take a comma, and no nonsense', () => {
    expect(policyOf({ ...NO_DRAFT, dollars: ' 0,5 ' })?.budget.costMicros).toBe(500_000n);
    for (const dollars of ['much', '-1', 'NaN', 'Infinity', '1e9']) expect(policyOf({ ...NO_DRAFT, dollars })).toBeUndefined();
  });
});
