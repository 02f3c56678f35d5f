import { create } from '@bufbuild/protobuf';
import { RepositorySchema } from '@gen/lucid/integrations/v1/integrations_pb';
import { describe, expect, it } from 'vitest';
import { findRepositories, pastedAddress } from './find-repositories';

const repository = (provider: string, fullName: string, description = '') =>
  create(RepositorySchema, { provider, fullName, description });
const ALL = [repository('github', 'ada/engine', 'steam'), repository('gitlab', 'ada/notes'), repository('local', 'lucid/teatime')];

describe('findRepositories', () => {
  it('groups by provider, the machine itself first', () => {
    expect(findRepositories(ALL, '').map((group) => group.provider)).toEqual(['local', 'github', 'gitlab']);
    expect(findRepositories([repository('forge', 'a/b'), ...ALL], '').at(-1)?.provider).toBe('forge');
  });

  it('wants every word, in name or description, whatever the case', () => {
    const names = (query: string): string[] => findRepositories(ALL, query).flatMap((group) => group.repositories.map((one) => one.fullName));
    expect(names('ADA steam')).toEqual(['ada/engine']);
    expect(names('ada')).toEqual(['ada/engine', 'ada/notes']);
    expect(names('nothing')).toEqual([]);
  });
});

describe('pastedAddress', () => {
  it('takes addresses and leaves words alone', () => {
    for (const url of ['https://github.com/a/b', 'http://127.0.0.1:3000/a/b.git', 'git@github.com:a/b.git', 'github.com/a/b']) {
      expect(pastedAddress(` ${url} `)?.url).toBe(url);
    }
    for (const words of ['', 'tea', 'ada/engine', 'https://', 'two words.com/a/b']) expect(pastedAddress(words)).toBeUndefined();
  });
});
