/** How much a submission may bring along. What exceeds one of them is refused with 413. */
export interface UploadLimits {
  /** Bytes of the uploaded archive. */
  readonly maxUploadBytes: number;
  /** Bytes of all unpacked files together. */
  readonly maxExpandedBytes: number;
  /** Files and directories, also those that are only implied by the path of a file. */
  readonly maxEntries: number;
  /** Unpacked bytes per byte of the archive; judged only above {@link RATIO_JUDGED_ABOVE_BYTES} of unpacked bytes. */
  readonly maxRatio: number;
  /** Two names must differ in more than case and Unicode form; such a refusal is a 422. Default: false. */
  readonly wantsDistinctNames?: boolean;
}

/** Small archives of a well compressible file reach high ratios without doing harm. */
export const RATIO_JUDGED_ABOVE_BYTES = 100_000_000;
