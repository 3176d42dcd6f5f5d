/** A request that has been answered. */
export interface AnsweredRequest {
  readonly method: string;
  /** Pattern of the route, e.g. `/api/job/:jobid`; never what the client sent. */
  readonly route: string;
  readonly status: number;
  readonly durationMs: number;
}

/** Counts what the HTTP edge does. */
export interface HttpMetrics {
  answered(request: AnsweredRequest): void;
  /** An archive was received in full, whatever becomes of it. */
  uploaded(bytes: number): void;
}

/** The measures of a daemon as text, for those who collect them. */
export interface MetricsPage {
  /** With charset and version of the format. */
  readonly contentType: string;
  readonly text: string;
}
