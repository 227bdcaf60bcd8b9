-- wrk script: one token request, repeated. Counts every answer that is not 200, and keeps a sample of the bodies.
-- Arguments after `--`: the form to send. The last line printed is JSON for benchmarks/wrk.py.

local threads = {}

-- The sample: one body in SAMPLE_EVERY, at most SAMPLE_SIZE of them a thread.
local SAMPLE_EVERY = 200
local SAMPLE_SIZE = 20

function setup(thread)
    table.insert(threads, thread)
end

function init(arguments)
    wrk.method = "POST"
    wrk.body = arguments[1]
    wrk.headers["Content-Type"] = "application/x-www-form-urlencoded"
    answers = 0
    refused = 0
    first_refusal = ""
    sample_count = 0
    sample = ""
end

function response(status, headers, body)
    if status ~= 200 then
        refused = refused + 1
        first_refusal = status .. " " .. body
    elseif answers % SAMPLE_EVERY == 0 and sample_count < SAMPLE_SIZE then
        sample_count = sample_count + 1
        sample = sample .. body .. "\n"
    end
    answers = answers + 1
end

local function quoted(text)
    local escaped = text:gsub("[%c\\\"]", function(character)
        return string.format("\\u%04x", character:byte())
    end)
    return '"' .. escaped .. '"'
end

function done(summary, latency, requests)
    local total, bad, refusal, bodies = 0, 0, "", ""
    for _, thread in ipairs(threads) do
        total = total + thread:get("answers")
        bad = bad + thread:get("refused")
        bodies = bodies .. thread:get("sample")
        if thread:get("first_refusal") ~= "" then
            refusal = thread:get("first_refusal")
        end
    end
    local errors = summary.errors
    print(string.format(
        '{"answers": %d, "refused": %d, "broken": %d, "microseconds": %d, "p50": %d, "p99": %d, "refusal": %s, "sample": %s}',
        total, bad, errors.connect + errors.read + errors.write + errors.timeout, summary.duration,
        latency:percentile(50), latency:percentile(99), quoted(refusal), quoted(bodies)
    ))
end
