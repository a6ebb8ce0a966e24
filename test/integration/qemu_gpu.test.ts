import { gpuAway } from "./gpu-away.acceptance.ts";
import { gpuRefusals } from "./gpu-refusals.acceptance.ts";
import { gpuJobs, gpuLeases } from "./gpu.acceptance.ts";
import { GpuSite } from "./gpu-site.ts";
import { onQemu } from "./listening-hive.ts";

describe(`GPUs of a hive ${onQemu.name}`, function () {
  onQemu.needed(this);
  this.timeout(240_000);
  let site: GpuSite;
  before(async () => (site = await GpuSite.open(onQemu, "cpu")));
  afterEach(() => site.tidy());
  after(() => site.end());

  describe("with the processor: jobs", () => gpuJobs(() => site, [96, 128, 80]));

  describe("with a bridge that takes its time:", () => {
    before(async () => {
      await site.stop("SIGTERM");
      await site.start("paced");
    });

    describe("jobs", () => gpuJobs(() => site, [33, 65, 17]));
    describe("a lease", () => gpuLeases(() => site));
    describe("refused is", () => gpuRefusals(() => site));
    describe("workers", () => gpuAway(() => site));
  });
});
