import type { Repository } from '@gen/lucid/integrations/v1/integrations_pb';

/** What a person has chosen: a listed repository, or an address that was pasted. */
export interface RepositoryChoice {
  readonly provider: string;
  readonly fullName: string;
  readonly url: string;
  readonly defaultBranch: string;
}

/** One group of the picker. */
export interface RepositoryGroup {
  readonly provider: string;
  readonly repositories: readonly Repository[];
}

const ORDER = ['local', 'github', 'gitlab'];

/** The repositories that hold every word of the query, by provider; the best known providers' order is kept. */
export function findRepositories(all: readonly Repository[], query: string): RepositoryGroup[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const groups = new Map<string, Repository[]>();
  for (const repository of all) {
    const text = `${repository.fullName} ${repository.description}`.toLowerCase();
    if (!words.every((word) => text.includes(word))) continue;
    const group = groups.get(repository.provider) ?? [];
    group.push(repository);
    groups.set(repository.provider, group);
  }
  const rank = (provider: string): number => (ORDER.indexOf(provider) + ORDER.length + 1) % (ORDER.length + 1);
  return [...groups]
    .map(([provider, repositories]) => ({ provider, repositories }))
    .sort((a, b) => rank(a.provider) - rank(b.provider));
}

/** The query as an address, if it looks like one. Whether it is a repository the server will say. */
export function pastedAddress(query: string): RepositoryChoice | undefined {
  const url = query.trim();
  const isAddress = /^https?:\/\/[^\s/]+\/\S+$/i.test(url) || /^git@[\w.-]+:\S+$/.test(url) || /^[\w.-]+\.[a-z]+\/\S+\/\S+$/i.test(url);
  return isAddress ? { provider: '', fullName: '', url, defaultBranch: '' } : undefined;
}

/** A listed repository as a choice. */
export function chosen(repository: Repository): RepositoryChoice {
  const { provider, fullName, url, defaultBranch } = repository;
  return { provider, fullName, url, defaultBranch };
}

/** A provider's name for people. */
export function providerName(provider: string): string {
  return { github: 'GitHub', gitlab: 'GitLab', local: 'On this machine' }[provider] ?? provider;
}
