import { createContext } from 'react';

/** The signed-in person's user id, to tell their own decisions from others'; the app fills this in. */
export const Me = createContext('');
