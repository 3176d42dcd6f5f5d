/** Notes what happens, where somebody wants to read it; the text is only made then. */
export type Tracer = (line: () => string) => void;

/** What the promise of Bartender was broken by, found while a run goes on or at its end. */
export class Violation extends Error {}
