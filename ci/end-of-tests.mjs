/**
 * Node 20 may spin for ever when it tidies up at its natural end, where a request of a connection that was destroyed is never answered.
 * A process that has nothing to do any more ends at once here; one that has left something open is still seen to hang.
 */
process.once("beforeExit", () => process.exit());
