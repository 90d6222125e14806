/** Written by scripts/inline-worklet.mjs: the compiled capture.worklet.ts as text. */
export const WORKLET: string;
