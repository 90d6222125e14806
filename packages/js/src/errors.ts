/** The errors a user may meet. Each message is one line: what is wrong, where, and what to do. */

export class AmtExportError extends Error {
  override name = "AmtExportError";
}

/** A published folder, or one of its files, is missing, altered, or contradicts itself. */
export class ArtifactError extends AmtExportError {
  override name = "ArtifactError";
}

/** Audio or an option that a model does not take. */
export class InputError extends AmtExportError {
  override name = "InputError";
}

/** A stream that cannot go on. */
export class StreamError extends AmtExportError {
  override name = "StreamError";
}

/** The engine is missing, or cannot open a file. */
export class BackendError extends AmtExportError {
  override name = "BackendError";
}

/** The first line of whatever was thrown. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.trim().split("\n")[0] || "no reason given";
}
