import { createContext } from 'react';
import type { ComponentType, ReactNode } from 'react';

export interface PullFactsProps {
  readonly repo: string;
  readonly number: number;
  /** What the log says; shown until more is known. */
  readonly children: ReactNode;
}

/** How a local pull request stands now. The log knows what the agent did with it, not what a person did on its page. */
export const PullFactsSlot = createContext<ComponentType<PullFactsProps> | undefined>(undefined);
