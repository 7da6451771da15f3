# The yardstick of runtime.py: a name pool as a plain GenServer, with none of the promises.
#   elixir tests/benchmarks/gen_server.exs CALLS CALLERS
# prints the microseconds of a checkout with its check-in, and of a lookup by owner.

defmodule Names do
  use GenServer

  def checkout(pool), do: GenServer.call(pool, :checkout)
  def checkin(pool, name), do: GenServer.cast(pool, {:checkin, name})
  def lookup(pool, owner), do: GenServer.call(pool, {:lookup, owner})

  @impl true
  def init(names) do
    {:ok, %{available: :queue.from_list(names), held: MapSet.new(), names: %{}, owners: %{}}}
  end

  @impl true
  def handle_call(:checkout, {owner, _}, state) do
    {{:value, name}, available} = :queue.out(state.available)

    {:reply, {:ok, name},
     %{
       state
       | available: available,
         held: MapSet.put(state.held, name),
         names: Map.put(state.names, owner, name),
         owners: Map.put(state.owners, name, owner)
     }}
  end

  def handle_call({:lookup, owner}, _, state), do: {:reply, Map.get(state.names, owner), state}

  @impl true
  def handle_cast({:checkin, name}, state) do
    {owner, owners} = Map.pop(state.owners, name)

    {:noreply,
     %{
       state
       | available: :queue.in(name, state.available),
         held: MapSet.delete(state.held, name),
         names: Map.delete(state.names, owner),
         owners: owners
     }}
  end
end

defmodule Cost do
  def of(pool, callers, calls, work) do
    :erlang.garbage_collect(pool)
    began = System.monotonic_time()
    tasks = for _ <- 1..callers, do: Task.async(fn -> repeat(work, div(calls, callers)) end)
    Enum.each(tasks, &Task.await(&1, :infinity))
    Names.lookup(pool, self())  # behind every cast
    took = System.convert_time_unit(System.monotonic_time() - began, :native, :nanosecond)
    took / 1000 / (div(calls, callers) * callers)
  end

  defp repeat(_, 0), do: :ok

  defp repeat(work, left) do
    work.()
    repeat(work, left - 1)
  end

  def print(calls, callers) do
    {:ok, pool} = GenServer.start_link(Names, for(n <- 1..400, do: "NPC ##{n}"))

    pair = fn ->
      {:ok, name} = Names.checkout(pool)
      Names.checkin(pool, name)
    end

    lookup = fn -> Names.lookup(pool, self()) end
    for work <- [pair, lookup], do: of(pool, callers, calls, work)  # the first time is warm-up
    IO.puts(Enum.map_join([pair, lookup], " ", &Float.round(of(pool, callers, calls, &1), 4)))
  end
end

[calls, callers] = Enum.map(System.argv(), &String.to_integer/1)
Cost.print(calls, callers)
