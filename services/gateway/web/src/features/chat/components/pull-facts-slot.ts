import { createContext } from 'react';
import type { ReactNode } from 'react';

/** Draws how a local pull request stands now; `logged` is what the log says, until more is known. */
export type DrawPullFacts = (repo: string, number: number, logged: ReactNode) => ReactNode;

/** The log knows what the agent did with a pull request, not what a person did on its page: the app fills this in. */
export const PullFactsSlot = createContext<DrawPullFacts>((_repo, _number, logged) => logged);
