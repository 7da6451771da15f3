"""The steps of a Redis ledger, each as one script of Redis.

All keys of a namespace have one hash tag, so a cluster keeps them on one node. The first four keys
of every script are the claims, the sessions, the moments of their last renewals, and the names of
this session. The first three arguments are this session, its description, and "1" if it is
registered already.

A claim is a text with the fields session, token, moment, identity and name. A session is a text
with the fields ended ("1" or "0"), host, process, place and moment. A unit separator stands between
two fields.
"""

from __future__ import annotations

SEPARATOR = "\x1f"

# A moment of 0 marks a session that is being pruned. Such a session must not go on.
_KNOWN = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local moment = string.format('%.6f', now)
local seen = redis.call('ZSCORE', KEYS[3], ARGV[1])
if ARGV[3] == '1' and (not seen or tonumber(seen) == 0) then
  return {'lost'}
end
"""

_NOTED = """
if not seen then
  redis.call('HSET', KEYS[2], ARGV[1], ARGV[2] .. '\\31' .. moment)
end
redis.call('ZADD', KEYS[3], string.format('%.6f', math.max(now, seen or 0)), ARGV[1])
local function put(key, claim)
  redis.call('HSET', KEYS[1], key, claim)
  redis.call('SADD', KEYS[4], key)
end
local function fields(claim)
  local session, token, at, identity, name =
    string.match(claim, '^(.-)\\31(.-)\\31(.-)\\31(.-)\\31(.*)$')
  if session then
    return session, token, at, identity, name
  end
  return claim, '', '0', '', ''
end
"""

_SESSION = _KNOWN + _NOTED

# A server that is out of memory still runs a script whose first write can only free memory. The
# scripts that free names begin with such a write. The scripts that claim names must not.
_FREEING = _KNOWN + "redis.call('ZREM', KEYS[3], ARGV[1])" + _NOTED

# Further arguments: the token, and then by turns a key and its name.
CLAIM = (
    _SESSION
    + """
local mine = ARGV[1] .. '\\31' .. ARGV[4] .. '\\31'
local ours = {'ok'}
for i = 5, #ARGV, 2 do
  local claim = redis.call('HGET', KEYS[1], ARGV[i])
  if not claim then
    claim = mine .. moment .. '\\31\\31' .. ARGV[i + 1]
    put(ARGV[i], claim)
  end
  if string.sub(claim, 1, #mine) == mine then
    ours[#ours + 1] = ARGV[i]
  end
end
return ours
"""
)

# The fifth key has the names of the session before. Further arguments: the key, the name, the
# identity or '', and the session before or ''.
TAKE = (
    _SESSION
    + """
local claim = redis.call('HGET', KEYS[1], ARGV[4])
if not claim then
  put(ARGV[4], ARGV[1] .. '\\31\\31' .. moment .. '\\31' .. ARGV[6] .. '\\31' .. ARGV[5])
  return {'ok'}
end
local session, token, at, identity, name = fields(claim)
local fits = identity == '' or ARGV[6] == '' or identity == ARGV[6]
if not fits or (session ~= ARGV[1] and session ~= ARGV[7]) then
  local about = redis.call('HGET', KEYS[2], session)
  local last = redis.call('ZSCORE', KEYS[3], session)
  return {'held', claim, about or '', last or '0', moment}
end
if identity == '' then
  identity = ARGV[6]
end
if session ~= ARGV[1] then
  redis.call('SREM', KEYS[5], ARGV[4])
end
put(ARGV[4], table.concat({ARGV[1], token, at, identity, name}, '\\31'))
return {'ok'}
"""
)

# Further arguments: the token or '', and then the keys.
RELEASE = (
    _FREEING
    + """
for i = 5, #ARGV do
  local claim = redis.call('HGET', KEYS[1], ARGV[i])
  if claim then
    local session, token, _, identity = fields(claim)
    if session == ARGV[1] and identity == '' and (ARGV[4] == '' or ARGV[4] == token) then
      redis.call('HDEL', KEYS[1], ARGV[i])
      redis.call('SREM', KEYS[4], ARGV[i])
    end
  end
end
return {'ok'}
"""
)

RENEW = _FREEING + "return {'ok'}"

# The fifth key has the walks. Further arguments: the walk and the count.
ADVANCE = (
    _SESSION
    + """
return {'ok', redis.call('HINCRBY', KEYS[5], ARGV[4], ARGV[5]) - ARGV[5]}
"""
)

END = (
    _FREEING
    + """
local about = redis.call('HGET', KEYS[2], ARGV[1])
redis.call('HSET', KEYS[2], ARGV[1], '1' .. string.sub(about, 2))
if redis.call('EXISTS', KEYS[4]) == 0 then
  redis.call('HDEL', KEYS[2], ARGV[1])
  redis.call('ZREM', KEYS[3], ARGV[1])
end
return {'ok'}
"""
)

# Frees some names of a session. The fourth key and the first argument are those of that session.
# Further arguments: the seconds that it must have been silent for, and the most names to free. The
# answer is the number of freed names, and the number of names that are left.
FREE = """
local time = redis.call('TIME')
local seen = redis.call('ZSCORE', KEYS[3], ARGV[1])
if not seen or time[1] + time[2] / 1000000 - seen <= tonumber(ARGV[2]) then
  return {0, 0}
end
local keys = redis.call('SPOP', KEYS[4], ARGV[3])  -- first: see above
for _, key in ipairs(keys) do
  redis.call('HDEL', KEYS[1], key)
end
local left = redis.call('SCARD', KEYS[4])
if left == 0 then
  redis.call('HDEL', KEYS[2], ARGV[1])
  redis.call('ZREM', KEYS[3], ARGV[1])
else
  redis.call('ZADD', KEYS[3], 0, ARGV[1])
end
return {#keys, left}
"""
