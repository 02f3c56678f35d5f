import { describe, expect, it } from 'vitest';
import { environmentOf, isPlain, NO_ENVIRONMENT } from './environment';

const written = (draft: Partial<typeof NO_ENVIRONMENT>) => environmentOf({ ...NO_ENVIRONMENT, ...draft });

describe('an environment as a person writes it', () => {
  it('is sent as the services take it', () => {
    const draft = { image: ' golang:1.27 ', setup: '\nnpm ci\nnpm run build\n', minutes: '1,5', variables: '# for tests\nNODE_ENV=test\r\n\n A = b=c "d" \nEMPTY=' };
    expect(written(draft)).toEqual({
      image: 'golang:1.27',
      setup: 'npm ci\nnpm run build',
      setupSeconds: 90,
      env: { NODE_ENV: 'test', A: ' b=c "d" ', EMPTY: '' },
    });
  });

  it('asks for nothing where nothing is written', () => {
    const nothing = environmentOf(NO_ENVIRONMENT);
    expect(nothing).toEqual({ image: '', setup: '', setupSeconds: 0, env: {} });
    expect(typeof nothing !== 'string' && isPlain(nothing)).toBe(true);
    for (const draft of [{ image: 'a' }, { setup: 'a' }, { variables: 'A=' }]) {
      const something = written(draft);
      expect(typeof something !== 'string' && isPlain(something)).toBe(false);
    }
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
    const wrong = written(draft);
    expect(wrong).toContain(words);
    expect(wrong).not.toContain('secret');
  });
});
