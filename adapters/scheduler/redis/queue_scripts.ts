import { redisScript } from "./redis_script.ts";

/*
 * Every change of an attempt is one of these programs, so that of two who want to change it one is first. The life of
 * an attempt: `queued` until a performer begins it, `begun` until it `ended`. Nothing leads back.
 *
 * A queue of the library carries the tags to the performers. It may bring one twice; BEGIN sees to it that it begins
 * once.
 *
 * A server that has ended may come back with what it knew a while ago: with attempts that wait, though they have begun, or
 * were even forgotten since. So an attempt only begins in the life of the server in which its daemon has said that it
 * waits, and is only resumed without proof in the life in which it has begun. And its daemon only says that of an attempt
 * of an earlier life when all performers with a lease have been heard in this one: one of them may have begun it, and a
 * server that was killed may have forgotten that, though it had answered.
 */

/** By the server's clock, which may be set: good for people, and to tell one renewal from another. */
const NOW = `
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)`;

/** Which life of the server this is. */
const LIFE = `
local info = redis.call('INFO', 'server')
local life = string.match(info, 'run_id:(%w+)')`;

/**
 * Changes that a server with full memory takes, as they cannot need any. After one it takes all others of the same
 * program. So what runs already goes on there, and only new jobs wait.
 */
const EVEN_WHEN_FULL = { set: `redis.call('ZREM', KEYS[1], '')`, hash: `redis.call('HDEL', KEYS[1], '')` };

/** attempt; message. @returns the state of the attempt, `created` when it is new; else CONFIRM has to say that it waits */
export const CREATE = redisScript(`
${LIFE}
local state = redis.call('HGET', KEYS[1], 'state')
if not state then redis.call('HSET', KEYS[1], 'message', ARGV[1], 'state', 'queued', 'life', life) end
return state or 'created'`);

/**
 * leases, lives in which performers were heard, attempts. Says again that these wait, also to a server that has come back.
 *
 * @returns the numbers of those that do; those of which that cannot be said yet; the performers that must be heard before
 */
export const CONFIRM = redisScript(`
${LIFE}
local waiting, open, unheard = {}, {}, {}
for _, performer in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if redis.call('HGET', KEYS[2], performer) ~= life then table.insert(unheard, performer) end
end
for i = 3, #KEYS do
  local found = redis.call('HMGET', KEYS[i], 'state', 'life')
  if found[1] == 'queued' and (found[2] == life or #unheard == 0) then
    redis.call('HSET', KEYS[i], 'life', life)
    table.insert(waiting, i - 2)
  elseif found[1] == 'queued' then
    table.insert(open, i - 2)
  end
end
return {waiting, open, unheard}`);

/**
 * attempt, leases, tags begun by the performer; tag, performer, milliseconds to settle, a life of the server, for how many
 * milliseconds the performer has known that, channel of beginnings, version of messages.
 *
 * A server that has just been started may have forgotten what it knew last, and needs a moment to hear from performers
 * what they have. So nothing begins until then. Its own word on that counts as well, but not alone: when its clock is set
 * back, it seems to have been started in the future.
 *
 * What the performer has begun already it begins again: it may not have heard the answer. Daemons are told at once, for
 * the case that server and performer are killed in the next moment and the server forgets this.
 *
 * @returns the message; else why not: `settling`, `unleased`, `over`, or `newer` with the version of its message
 */
export const BEGIN = redisScript(`
${LIFE}
local up = 1000 * tonumber(string.match(info, 'uptime_in_seconds:(-?%d+)'))
if life == ARGV[4] then up = math.max(up, tonumber(ARGV[5])) end
if up < tonumber(ARGV[3]) then return {'settling'} end
local found = redis.call('HMGET', KEYS[1], 'state', 'message', 'by', 'life', 'cancel')
if found[4] ~= life then return {'over'} end
if found[1] == 'begun' and found[3] == ARGV[2] then return {'begun', found[2]} end
if found[1] ~= 'queued' or found[5] then return {'over'} end
local version = string.match(found[2] or '', '^{"version":(%d+)')
if version and tonumber(version) > tonumber(ARGV[7]) then return {'newer', version} end
if not redis.call('ZSCORE', KEYS[2], ARGV[2]) then return {'unleased'} end
redis.call('HSET', KEYS[1], 'state', 'begun', 'by', ARGV[2])
redis.call('SADD', KEYS[3], ARGV[1])
redis.call('PUBLISH', ARGV[6], ARGV[1])
return {'begun', found[2]}`);

/**
 * tags begun by the performer; performer, first part of attempts.
 *
 * @returns for each attempt that is the performer's its tag, its message and 1, or 0 when the server was restarted since
 */
export const RESUME = redisScript(`
${LIFE}
local own = {}
for _, tag in ipairs(redis.call('SMEMBERS', KEYS[1])) do
  local found = redis.call('HMGET', ARGV[2] .. tag, 'state', 'by', 'message', 'life')
  if found[1] == 'begun' and found[2] == ARGV[1] then
    table.insert(own, {tag, found[3], found[4] == life and 1 or 0})
  end
end
return own`);

/** attempt; performer, news, channel */
export const RUNNING = redisScript(`
${EVEN_WHEN_FULL.hash}
local found = redis.call('HMGET', KEYS[1], 'state', 'by', 'running')
if found[1] ~= 'begun' or found[2] ~= ARGV[1] or found[3] then return 0 end
redis.call('HSET', KEYS[1], 'running', '1')
redis.call('PUBLISH', ARGV[3], ARGV[2])
return 1`);

/**
 * attempt, tags begun by the performer; performer, tag, result, news, channel.
 *
 * An attempt that the server knows as not begun is one whose begin it has forgotten. One that it does not know at all its daemon
 * has let go, which listens no more then; or the server has lost it since it last heard of it, and the news are all there is.
 */
export const ENDED = redisScript(`
redis.call('SREM', KEYS[2], ARGV[2])
local found = redis.call('HMGET', KEYS[1], 'state', 'by')
if not found[1] then
  redis.call('PUBLISH', ARGV[5], ARGV[4])
  return 0
end
if found[1] ~= 'queued' and (found[1] ~= 'begun' or found[2] ~= ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'state', 'ended', 'result', ARGV[3])
redis.call('PUBLISH', ARGV[5], ARGV[4])
return 1`);

/**
 * leases, performers, tags begun by the performer, lives in which performers were heard; performer, milliseconds,
 * presence, first part of attempts, then the tags of the attempts that it has.
 *
 * An attempt that the server knows as not begun is one whose begin it has forgotten.
 *
 * @returns which life of the server this is; 1 when it knew of no lease, else 0; then the tags to be cancelled, those that
 *   are no longer the performer's, those that the server does not know, and those that are the performer's though it does
 *   not say so
 */
export const RENEW = redisScript(`
${EVEN_WHEN_FULL.set}
${NOW}
${LIFE}
local isNew = redis.call('ZADD', KEYS[1], now + tonumber(ARGV[2]), ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[3])
local cancelled, lost, unknown, unclaimed, held = {}, {}, {}, {}, {}
for i = 5, #ARGV do
  local tag, attempt = ARGV[i], ARGV[4] .. ARGV[i]
  held[tag] = true
  local found = redis.call('HMGET', attempt, 'state', 'by', 'cancel', 'life')
  if not found[1] then
    table.insert(unknown, tag)
  elseif found[1] == 'queued' or (found[1] == 'begun' and found[2] == ARGV[1] and found[4] ~= life) then
    redis.call('HSET', attempt, 'state', 'begun', 'by', ARGV[1], 'running', '1', 'life', life)
    redis.call('SADD', KEYS[3], tag)
    if found[3] then table.insert(cancelled, tag) end
  elseif found[1] ~= 'begun' or found[2] ~= ARGV[1] then
    table.insert(lost, tag)
  elseif found[3] then
    table.insert(cancelled, tag)
  end
end
redis.call('HSET', KEYS[4], ARGV[1], life)
for _, tag in ipairs(redis.call('SMEMBERS', KEYS[3])) do
  if not held[tag] then table.insert(unclaimed, tag) end
end
return {life, isNew, cancelled, lost, unknown, unclaimed}`);

/** attempt, tags begun by the performer; performer, tag, message. Tells the server what it has forgotten. */
export const RESTORE = redisScript(`
${LIFE}
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
redis.call('HSET', KEYS[1], 'state', 'begun', 'by', ARGV[1], 'running', '1', 'life', life, 'message', ARGV[3])
redis.call('SADD', KEYS[2], ARGV[2])
return 1`);

/**
 * leases. Refused by a server that takes no changes.
 *
 * @returns which life of the server this is, then performers and the ends of their leases in turn
 */
export const LOOK = redisScript(`
${EVEN_WHEN_FULL.set}
${LIFE}
return {life, redis.call('ZRANGE', KEYS[1], 0, -1, 'WITHSCORES')}`);

/**
 * performers, leases; first part of begun tags.
 *
 * @returns for each performer its name, what it says about itself, how many milliseconds are left of its lease, and the
 *   tags of the attempts that it has
 */
export const PERFORMERS = redisScript(`
${NOW}
local names, found = redis.call('HKEYS', KEYS[1]), {}
table.sort(names)
for _, performer in ipairs(names) do
  local over = redis.call('ZSCORE', KEYS[2], performer) or now
  local tags = redis.call('SMEMBERS', ARGV[1] .. performer)
  table.insert(found, {performer, redis.call('HGET', KEYS[1], performer), over - now, tags})
end
return found`);

/**
 * leases, performers, lives in which they were heard; first part of attempts, first part of begun tags, channel, then for each
 * performer its name, the end of its lease, and how its attempts end: the result, and news without tag in two parts.
 *
 * Ends the attempts of these performers, unless they have renewed their leases.
 *
 * @returns for each performer its name and how many attempts it had
 */
export const SWEEP = redisScript(`
${EVEN_WHEN_FULL.set}
local swept = {}
for i = 4, #ARGV, 5 do
  local performer = ARGV[i]
  if redis.call('ZSCORE', KEYS[1], performer) == ARGV[i + 1] then
    local begun = ARGV[2] .. performer
    local count = 0
    for _, tag in ipairs(redis.call('SMEMBERS', begun)) do
      local attempt = ARGV[1] .. tag
      local found = redis.call('HMGET', attempt, 'state', 'by')
      if found[1] == 'begun' and found[2] == performer then
        redis.call('HSET', attempt, 'state', 'ended', 'result', ARGV[i + 2])
        redis.call('PUBLISH', ARGV[3], ARGV[i + 3] .. tag .. ARGV[i + 4])
        count = count + 1
      end
    end
    table.insert(swept, {performer, count})
    redis.call('DEL', begun)
    redis.call('ZREM', KEYS[1], performer)
    redis.call('HDEL', KEYS[2], performer)
    redis.call('HDEL', KEYS[3], performer)
  end
end
return swept`);

/**
 * attempt; tag, result for one that has not begun, news about it, channel of news, channel of cancellations.
 *
 * @returns `over` when nothing of it can run any more; `unknown` when the server does not know it; `unconfirmed` when it
 *   does not wait for certain, see CONFIRM; else `asked`
 */
export const CANCEL = redisScript(`
${EVEN_WHEN_FULL.hash}
${LIFE}
local found = redis.call('HMGET', KEYS[1], 'state', 'life')
if not found[1] then return 'unknown' end
if found[1] == 'ended' then return 'over' end
if found[1] == 'queued' and found[2] ~= life then
  redis.call('HSET', KEYS[1], 'cancel', '1')
  return 'unconfirmed'
end
if found[1] == 'queued' then
  redis.call('HSET', KEYS[1], 'state', 'ended', 'result', ARGV[2])
  redis.call('PUBLISH', ARGV[4], ARGV[3])
  return 'over'
end
redis.call('HSET', KEYS[1], 'cancel', '1')
redis.call('PUBLISH', ARGV[5], ARGV[1])
return 'asked'`);

/** attempt. */
export const FORGET = redisScript(`
if redis.call('HGET', KEYS[1], 'state') == 'ended' then redis.call('DEL', KEYS[1]) end
return 1`);

/** leases, performers, tags begun by the performer, lives in which performers were heard; performer */
export const LEAVE = redisScript(`
if redis.call('SCARD', KEYS[3]) == 0 then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('HDEL', KEYS[2], ARGV[1])
  redis.call('HDEL', KEYS[4], ARGV[1])
end
return 1`);
