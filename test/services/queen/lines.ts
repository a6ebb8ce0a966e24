/** Lines of `/queen/ctl`: every example of the interface, and one bad input each with its one exact answer. */

/** What docs/INTERFACES.md shows. */
export const EXAMPLES = [
  '{"spawn":"heartbeat","ticks":100,"budget":{"ttl_s":120,"ops":500,"ticks":1000},"priority":"worker"}',
  '{"spawn":"gpu","lease":{"gpu_id":"GPU-0","mem_mb":4096,"streams":2,"ttl_s":120,"priority":5}}',
  '{"kill":"worker-7"}',
  '{"budget":{"ttl_s":120,"ops":1000}}',
  '{"set_budget":{"worker":"worker-7","ttl_s":600}}',
  '{"bind":{"from":"/worker","to":"/shadow"}}',
  '{"mount":{"service":"gpu-bridge","at":"/gpu"}}',
] as const;

const CHOICE = "a command has exactly one of spawn, kill, bind, mount, set_budget and budget";
const COUNT = "a whole number from 1 to 9007199254740991";
const BEATS = "a whole number from 1 to 4294967295";
const ONE_OF = "at least one of ttl_s, ops and ticks";
const WORKER = "a worker's id like worker-7";
const PATH = "an absolute path of at most 8 names and 255 bytes, without control characters and empty, . or .. names";
const NO_ESCAPE = "a text begins that has a control character or an escape which JSON does not know";

const bind = (from: string): string => JSON.stringify({ bind: { from, to: "/b" } });
const lease = (change: object): string =>
  JSON.stringify({ spawn: "gpu", lease: { gpu_id: "GPU-0", mem_mb: 1, streams: 1, ttl_s: 1, ...change } });

/** Line, JSON pointer, sentence. */
export const MISTAKES: readonly (readonly [line: string, pointer: string, sentence: string])[] = [
  // No line.
  ["", "", "The line is empty."],
  [" \t ", "", "The line is empty."],
  // No JSON.
  ["spawn heartbeat", "", 'The line is no JSON: in column 1 there is "s" where a value should be.'],
  ["{", "", "The line is no JSON: in column 2 the line ends where a name in quotes should be."],
  ['{"kill', "", "The line is no JSON: in column 2 a text begins that is not closed."],
  ['{"kill"', "", "The line is no JSON: in column 8 the line ends where a colon should be."],
  ['{"kill":', "", "The line is no JSON: in column 9 the line ends where a value should be."],
  ['{"kill":"worker-1"', "", "The line is no JSON: in column 19 the line ends where a comma or } should be."],
  ['{"kill":"worker-1",}', "", 'The line is no JSON: in column 20 there is "}" where a name in quotes should be.'],
  ['{"kill":"worker-1"}}', "", 'The line is no JSON: in column 20 there is "}" where the end of the line should be.'],
  [
    '{"kill":"worker-1"}{"kill":"worker-2"}',
    "",
    'The line is no JSON: in column 20 there is "{" where the end of the line should be.',
  ],
  ["{'kill':'worker-1'}", "", 'The line is no JSON: in column 2 there is "\'" where a name in quotes should be.'],
  ['{kill:"worker-1"}', "", 'The line is no JSON: in column 2 there is "k" where a name in quotes should be.'],
  ['{"é😀":"\\x"}', "", `The line is no JSON: in column 7 ${NO_ESCAPE}.`],
  ['{"kill":"\\ud83"}', "", `The line is no JSON: in column 9 ${NO_ESCAPE}.`],
  ['{"kill":"a\tb"}', "", `The line is no JSON: in column 9 ${NO_ESCAPE}.`],
  ['{"kill":01}', "", 'The line is no JSON: in column 10 there is "1" where a comma or } should be.'],
  ['{"kill":+1}', "", 'The line is no JSON: in column 9 there is "+" where a value should be.'],
  ['{"kill":NaN}', "", 'The line is no JSON: in column 9 there is "N" where a value should be.'],
  ['{"kill":[1 2]}', "", 'The line is no JSON: in column 12 there is "2" where a comma or ] should be.'],
  ['\ufeff{"kill":"worker-1"}', "", 'The line is no JSON: in column 1 there is "\ufeff" where a value should be.'],
  ['\u00a0{"kill":"worker-1"}', "", 'The line is no JSON: in column 1 there is "\u00a0" where a value should be.'],
  // Two ways to understand it.
  ['{"kill":"worker-1","kill":"worker-2"}', "/kill", "/kill stands twice."],
  ['{"kill":"worker-1","\\u006bill":"worker-1"}', "/kill", "/kill stands twice."],
  ['{"budget":{"ops":1,"ttl_s":1,"ops":2}}', "/budget/ops", "/budget/ops stands twice."],
  ['{"kill":"a","__proto__":1,"__proto__":2}', "/__proto__", "/__proto__ stands twice."],
  [`{"kill":${"[".repeat(8)}`, `/kill${"/0".repeat(7)}`, "The line is nested deeper than 8."],
  ["[".repeat(100_000), "/0/0/0/0/0/0/0/0", "The line is nested deeper than 8."],
  // No object.
  ["null", "", "The line must be an object, not null."],
  ["[]", "", "The line must be an object, not an array."],
  ["7", "", "The line must be an object, not 7."],
  ['"kill"', "", 'The line must be an object, not "kill".'],
  // No verb, or two.
  ["{}", "", `The object is empty: ${CHOICE}.`],
  ['{"spwan":"heartbeat"}', "/spwan", `/spwan is no verb: ${CHOICE}.`],
  ['{"ticks":1}', "/ticks", `/ticks is no verb: ${CHOICE}.`],
  ['{"KILL":"worker-1"}', "/KILL", `/KILL is no verb: ${CHOICE}.`],
  ['{"__proto__":{"kill":"worker-1"}}', "/__proto__", `/__proto__ is no verb: ${CHOICE}.`],
  ['{"a/b~c":1}', "/a~1b~0c", `/a~1b~0c is no verb: ${CHOICE}.`],
  ['{"a\\nb":1}', "/a\nb", `/a?b is no verb: ${CHOICE}.`],
  [`{"${"x".repeat(900)}":1}`, `/${"x".repeat(900)}`, `/${"x".repeat(39)}… is no verb: ${CHOICE}.`],
  ['{"kill":"worker-1","bind":{"from":"/a","to":"/b"}}', "/bind", `/bind is a second verb: ${CHOICE}.`],
  ['{"set_budget":{},"spawn":"x"}', "/spawn", `/spawn is a second verb: ${CHOICE}.`],
  // spawn
  ['{"spawn":"lora"}', "/spawn", '/spawn must be heartbeat or gpu, not "lora".'],
  ['{"spawn":null}', "/spawn", "/spawn must be heartbeat or gpu, not null."],
  ['{"spawn":{"heartbeat":1}}', "/spawn", "/spawn must be heartbeat or gpu, not an object."],
  ['{"spawn":"heartbeat","tick":1}', "/tick", "/tick is no field of this command."],
  ['{"spawn":"heartbeat","lease":{}}', "/lease", "/lease is no field of this command."],
  ['{"spawn":"heartbeat","constructor":1}', "/constructor", "/constructor is no field of this command."],
  ['{"spawn":"heartbeat","ticks":0}', "/ticks", `/ticks must be ${BEATS}, not 0.`],
  ['{"spawn":"heartbeat","ticks":-1}', "/ticks", `/ticks must be ${BEATS}, not -1.`],
  ['{"spawn":"heartbeat","ticks":1.5}', "/ticks", `/ticks must be ${BEATS}, not 1.5.`],
  ['{"spawn":"heartbeat","ticks":"1"}', "/ticks", `/ticks must be ${BEATS}, not "1".`],
  ['{"spawn":"heartbeat","ticks":true}', "/ticks", `/ticks must be ${BEATS}, not true.`],
  ['{"spawn":"heartbeat","ticks":null}', "/ticks", `/ticks must be ${BEATS}, not null.`],
  ['{"spawn":"heartbeat","ticks":4294967296}', "/ticks", `/ticks must be ${BEATS}, not 4294967296.`],
  ['{"spawn":"heartbeat","ticks":1e999}', "/ticks", `/ticks must be ${BEATS}, not Infinity.`],
  [
    '{"spawn":"heartbeat","priority":"system"}',
    "/priority",
    '/priority must be control or worker, a band below the hive\'s own, not "system".',
  ],
  ['{"spawn":"heartbeat","budget":7}', "/budget", "/budget must be an object, not 7."],
  ['{"spawn":"heartbeat","budget":[]}', "/budget", "/budget must be an object, not an array."],
  ['{"spawn":"heartbeat","budget":{}}', "/budget", `/budget must name ${ONE_OF}.`],
  ['{"spawn":"heartbeat","budget":{"ttl":1}}', "/budget/ttl", "/budget/ttl is no field of this command."],
  ['{"spawn":"heartbeat","budget":{"ops":0}}', "/budget/ops", `/budget/ops must be ${COUNT}, not 0.`],
  ['{"spawn":"gpu"}', "/lease", "/lease is missing."],
  ['{"spawn":"gpu","ticks":1,"lease":{}}', "/ticks", "/ticks is no field of this command."],
  ['{"spawn":"gpu","lease":"GPU-0"}', "/lease", '/lease must be an object, not "GPU-0".'],
  ['{"spawn":"gpu","lease":{}}', "/lease/gpu_id", "/lease/gpu_id is missing."],
  ['{"spawn":"gpu","lease":{"gpu_id":"GPU-0"}}', "/lease/mem_mb", "/lease/mem_mb is missing."],
  [lease({ gpu_id: "../1" }), "/lease/gpu_id", '/lease/gpu_id must be a GPU\'s id like GPU-0, not "../1".'],
  [lease({ mem_mb: 0 }), "/lease/mem_mb", "/lease/mem_mb must be a whole number from 1 to 4294967295, not 0."],
  [
    lease({ mem_mb: 4294967296 }),
    "/lease/mem_mb",
    "/lease/mem_mb must be a whole number from 1 to 4294967295, not 4294967296.",
  ],
  [lease({ streams: 256 }), "/lease/streams", "/lease/streams must be a whole number from 1 to 255, not 256."],
  [lease({ ttl_s: 0 }), "/lease/ttl_s", `/lease/ttl_s must be ${COUNT}, not 0.`],
  [lease({ priority: -1 }), "/lease/priority", "/lease/priority must be a whole number from 0 to 255, not -1."],
  [lease({ exclusive: true }), "/lease/exclusive", "/lease/exclusive is no field of this command."],
  // kill
  ['{"kill":7}', "/kill", `/kill must be ${WORKER}, not 7.`],
  ['{"kill":""}', "/kill", `/kill must be ${WORKER}, not "".`],
  ['{"kill":["worker-1"]}', "/kill", `/kill must be ${WORKER}, not an array.`],
  ['{"kill":"worker-1\\n"}', "/kill", `/kill must be ${WORKER}, not "worker-1\\n".`],
  ['{"kill":"a/b"}', "/kill", `/kill must be ${WORKER}, not "a/b".`],
  [`{"kill":"${"w".repeat(33)}"}`, "/kill", `/kill must be ${WORKER}, not "${"w".repeat(33)}".`],
  [`{"kill":"${"😀".repeat(41)}"}`, "/kill", `/kill must be ${WORKER}, not "${"😀".repeat(40)}…".`],
  ['{"kill":"worker-1","budget":{"ops":1}}', "/budget", "/budget is no field of this command."],
  // bind and mount
  ['{"bind":"/a"}', "/bind", '/bind must be an object, not "/a".'],
  ['{"bind":{"from":"/a"}}', "/bind/to", "/bind/to is missing."],
  ['{"bind":{"from":"/a","to":"/b","flags":1}}', "/bind/flags", "/bind/flags is no field of this command."],
  [bind(""), "/bind/from", `/bind/from must be ${PATH}, not "".`],
  [bind("a"), "/bind/from", `/bind/from must be ${PATH}, not "a".`],
  [bind("//a"), "/bind/from", `/bind/from must be ${PATH}, not "//a".`],
  [bind("/a/"), "/bind/from", `/bind/from must be ${PATH}, not "/a/".`],
  [bind("/./a"), "/bind/from", `/bind/from must be ${PATH}, not "/./a".`],
  [bind("/a/.."), "/bind/from", `/bind/from must be ${PATH}, not "/a/..".`],
  [bind("/a\0"), "/bind/from", `/bind/from must be ${PATH}, not "/a\\u0000".`],
  [bind("/\u2028"), "/bind/from", `/bind/from must be ${PATH}, not "/?".`],
  [bind("/\ud800"), "/bind/from", `/bind/from must be ${PATH}, not "/\\ud800".`],
  [bind("/1/2/3/4/5/6/7/8/9"), "/bind/from", `/bind/from must be ${PATH}, not "/1/2/3/4/5/6/7/8/9".`],
  [bind(`/${"é".repeat(128)}`), "/bind/from", "/bind/from is longer than 255 bytes."],
  ['{"mount":{"service":"log"}}', "/mount/at", "/mount/at is missing."],
  [
    '{"mount":{"service":"a b","at":"/x"}}',
    "/mount/service",
    '/mount/service must be a service\'s name like gpu-bridge, not "a b".',
  ],
  ['{"mount":{"service":"log","at":"x"}}', "/mount/at", `/mount/at must be ${PATH}, not "x".`],
  [`{"mount":{"service":"log","at":"/${"x".repeat(255)}"}}`, "/mount/at", "/mount/at is longer than 255 bytes."],
  // set_budget and budget
  ['{"set_budget":{}}', "/set_budget", `/set_budget must name a worker and ${ONE_OF}.`],
  ['{"set_budget":{"ttl_s":1}}', "/set_budget", `/set_budget must name a worker and ${ONE_OF}.`],
  ['{"set_budget":{"ttl_s":1,"ops":1}}', "/set_budget/worker", "/set_budget/worker is missing."],
  ['{"set_budget":{"worker":"worker-1"}}', "/set_budget", `/set_budget must name a worker and ${ONE_OF}.`],
  ['{"set_budget":{"worker":1,"ops":1}}', "/set_budget/worker", `/set_budget/worker must be ${WORKER}, not 1.`],
  ['{"set_budget":{"worker":"worker-1","ops":2.5}}', "/set_budget/ops", `/set_budget/ops must be ${COUNT}, not 2.5.`],
  ['{"set_budget":{"worker":"worker-1","cpu":2}}', "/set_budget/cpu", "/set_budget/cpu is no field of this command."],
  ['{"budget":{}}', "/budget", `/budget must name ${ONE_OF}.`],
  ['{"budget":{"ttl_s":-0}}', "/budget/ttl_s", `/budget/ttl_s must be ${COUNT}, not 0.`],
  ['{"budget":{"ttl_s":{}}}', "/budget/ttl_s", `/budget/ttl_s must be ${COUNT}, not an object.`],
  ['{"budget":{"ops":1},"worker":"worker-1"}', "/worker", "/worker is no field of this command."],
];
