import { createContext, useContext } from 'react';

/** The free room in the top bar, for the header of the route that is shown; null where there is none. */
export const BarRoom = createContext<HTMLElement | null>(null);

/** The free room in the top bar, for a portal. */
export function useBarRoom(): HTMLElement | null {
  return useContext(BarRoom);
}
