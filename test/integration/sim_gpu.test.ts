import { gpuAway } from "./gpu-away.acceptance.ts";
import { gpuRefusals } from "./gpu-refusals.acceptance.ts";
import { gpuJobs, gpuLeases } from "./gpu.acceptance.ts";
import { GpuSite, type SiteBackend } from "./gpu-site.ts";
import { inSimulator } from "./listening-hive.ts";

describe(`GPUs of a hive ${inSimulator.name}`, function () {
  this.timeout(120_000);
  let site: GpuSite;
  const on = (backend: SiteBackend): void => {
    before(async () => (site = await GpuSite.open(inSimulator, backend)));
    afterEach(() => site.tidy());
    after(() => site.end());
  };

  describe("with mock: jobs", () => {
    on("mock");
    gpuJobs(() => site, [256, 256, 256]);
  });

  describe("with the processor: jobs", () => {
    on("cpu");
    gpuJobs(() => site, [256, 256, 256]);
  });

  describe("with a bridge that takes its time:", () => {
    on("paced");
    describe("a lease", () => gpuLeases(() => site));
    describe("refused is", () => gpuRefusals(() => site));
    describe("workers", () => gpuAway(() => site));
  });
});
