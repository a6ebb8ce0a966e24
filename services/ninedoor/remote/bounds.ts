/**
 * What an exporter is asked at once. Some of it is kept for the hive itself and for its workers' own sessions, so that whoever logs
 * in, however often, does not keep a worker from the end of its jobs.
 */
import { HEADER } from "../../secure9p/constants.ts";

/** Requests under way, and those that wait for their turn. */
export const TAGS = 16;
export const WAITING = 32;
/** Of those that wait, and of what follows: most that are not the hive's own. The rest is for its workers and itself alone. */
export const OTHERS_WAITING = 16;
/**
 * Reads under way that may take as long as they like. They take nothing from the others: as many workers as a hive has may wait
 * for the end of their jobs at one exporter, and a few more for other news.
 */
export const PATIENT = 96;
/** Each of 64 workers has one for the end of its jobs, and no more of its own, and the hive one for the leases of each of 16 GPUs. */
export const OTHERS_PATIENT = PATIENT - 64 - 16;
/** A Tread, which is all that such a read asks. */
export const READ_FRAME = HEADER + 16;
/**
 * Fids there at once, and open files that are not the hive's own: each of 64 workers has two, the hive two of each of 16 GPUs, and
 * what is under way may have one each.
 */
export const FIDS = 384;
export const OTHERS_FILES = 192;
export const MSIZE = 8192;
/** A walk of the longest names has to fit. */
export const MSIZE_LEAST = 4096;
/** A tag rests until its Tflush is answered too, and there is room for all that can be under way. */
export const ALL_TAGS = 2 * (TAGS + PATIENT);
/** Of what is asked, on its way to the exporter. */
export const UNSENT = 2 * TAGS * MSIZE + PATIENT * READ_FRAME;
