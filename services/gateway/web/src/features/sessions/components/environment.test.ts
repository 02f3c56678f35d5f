import { describe, expect, it } from 'vitest';
import { environmentDraft, environmentOf, isPlain, NO_ENVIRONMENT } from './environment';
import type { EnvironmentDraft } from './environment';

function written(draft: Partial<EnvironmentDraft>, saved: readonly string[] = []) {
  const wanted = environmentOf({ ...NO_ENVIRONMENT, ...draft }, saved);
  if (typeof wanted === 'string') throw new Error(wanted);
  return wanted;
}

describe('an environment as a person writes it', () => {
  it('is sent as the services take it', () => {
    const draft = { image: ' golang:1.27 ', setup: '\nnpm ci\nnpm run build\n', minutes: '1,5', variables: '# for tests\nNODE_ENV=test\r\n\n A = b=c "d" \nEMPTY=' };
    expect(written(draft)).toEqual({
      environment: { image: 'golang:1.27', setup: 'npm ci\nnpm run build', setupSeconds: 90, env: { NODE_ENV: 'test', A: ' b=c "d" ', EMPTY: '' } },
      keptVariables: [],
    });
  });

  it('asks for nothing where nothing is written', () => {
    const { environment } = written({});
    expect(environment).toEqual({ image: '', setup: '', setupSeconds: 0, env: {} });
    expect(isPlain(environment)).toBe(true);
    for (const draft of [{ image: 'a' }, { setup: 'a' }, { variables: 'A=' }]) expect(isPlain(written(draft).environment)).toBe(false);
  });

  it('keeps what is set, whose values nobody is shown', () => {
    const set = { image: 'go:1', setup: 'make', setupSeconds: 90, env: { B: '', A: '' } };
    const draft = environmentDraft(set);
    expect(draft).toEqual({ image: 'go:1', setup: 'make', minutes: '1.5', variables: 'A\nB' });
    expect(written(draft, ['A', 'B'])).toEqual({ environment: { ...set, env: {} }, keptVariables: ['A', 'B'] });
    expect(written({ variables: 'A=new\nB' }, ['A', 'B'])).toMatchObject({ environment: { env: { A: 'new' } }, keptVariables: ['B'] });
    expect(environmentDraft({ image: '', setup: '', setupSeconds: 0, env: {} })).toEqual(NO_ENVIRONMENT);
  });

  it.each([
    [{ image: 'two words' }, 'image'],
    [{ minutes: 'long' }, 'minutes'],
    [{ minutes: '0' }, 'minutes'],
    [{ minutes: '61' }, 'minutes'],
    [{ variables: 'A=1\nB' }, 'line 2'],
    [{ variables: '=secret' }, 'line 1'],
    [{ variables: '1A=secret' }, 'line 1'],
    [{ variables: 'A=secret\n# no\nA=secret' }, 'line 3: A is there twice'],
  ])('says what is wrong with %j, and never a value', (draft, words) => {
    const wrong = environmentOf({ ...NO_ENVIRONMENT, ...draft }, ['A']);
    expect(wrong).toContain(words);
    expect(wrong).not.toContain('secret');
  });
});
