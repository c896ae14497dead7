%% The rows in Erlang: `erl +S W:W -noshell -run peers main ROW N` measures once and prints one line.
-module(peers).
-export([main/1]).

-define(M1_WINDOW, 1000).
-define(M2B_WATCHERS, 1000).
-define(M4_WINDOW, 1000).
-define(W2_SENDERS, 4).
-define(W5_RING, 100).
-define(W6_ACTORS, 120).
-define(W7_TURN, 1000).
-define(W8_ACTORS, 60).

main([Row, Number]) ->
    N = list_to_integer(Number),
    Me = self(),
    %% Messages wait outside the heap, where many of them cost the collector nothing.
    spawn_opt(fun() -> Me ! {line, row(Row, N)} end, [{message_queue_data, off_heap}]),
    receive {line, Line} -> ok end,
    Head = io_lib:format("system=erlang row=~s n=~b workers=~b", [Row, N, erlang:system_info(schedulers)]),
    io:format("~s ~s peak_rss=~b threads=0~n", [Head, Line, peak_rss()]),
    erlang:halt(0).

%% Each answers with its figures as text.
row("M1", N) ->
    rate(N, fun() -> [start_one() || _ <- lists:seq(1, min(N, ?M1_WINDOW))], window(N - ?M1_WINDOW, N) end);
row("M2a", N) -> all_told(1, N);
row("M2b", N) -> all_told(?M2B_WATCHERS, N div ?M2B_WATCHERS);
row("M2c", N) -> all_told(N, 1);
row("M3", N) -> rate(N, fun() -> churn(idle(), 1, N) end);
row("M3c", N) -> rate(N, fun() -> churn(idle(), 2, N) end);
row("M3m", N) ->
    Target = idle(),
    churn(Target, 1, 10000),
    Before = live(),
    churn(Target, 1, N),
    figure(live() - Before);
row("M4", N) ->
    Target = idle(),
    briefs(Target, ?M4_WINDOW),
    Before = live(),
    briefs(Target, N),
    figure((live() - Before) / N);
row("M5", _) -> none("its processes have no threads");
row("M6", N) ->
    Target = idle(),
    Pairs = N * 10,
    churn(Target, 1, Pairs div 10),
    Alone = time(fun() -> churn(Target, 1, Pairs) end),
    Crowd = monitoring(Target, N),
    Crowded = time(fun() -> churn(Target, 1, Pairs) end),
    Crowd ! stop,
    io_lib:format("value=~f none_others=~f", [Crowded / Pairs, Alone / Pairs]);
row("M6d", N) ->
    Target = idle(),
    Tenth = oldest_first(Target, N div 10),
    All = oldest_first(Target, N),
    io_lib:format("value=~f at_a_tenth=~f", [All / N, Tenth / (N div 10)]);
row("M6m", N) ->
    Target = idle(),
    oldest_first(Target, 1000),
    Before = live(),
    oldest_first(Target, N),
    figure((live() - Before) / N);
row("M7", N) ->
    Target = idle(),
    Before = live(),
    Crowd = monitoring(Target, N),
    OneTarget = (live() - Before) / N,
    Targets = [idle() || _ <- lists:seq(1, N)],
    Me = self(),
    Other = spawn(fun() -> receive go -> ok end, [monitor(process, One) || One <- Targets], garbage_collect(), Me ! ready, receive stop -> ok end end),
    garbage_collect(),
    BeforePairs = live(),
    Other ! go,
    receive ready -> ok end,
    %% What the list of targets takes in the watcher's own heap is not counted: it was collected.
    Pairs = (live() - BeforePairs) / N,
    Crowd ! stop,
    Other ! stop,
    io_lib:format("value=~f of_pairs=~f", [OneTarget, Pairs]);
row("W1", N) -> sending(1, N);
row("W2", N) -> sending(?W2_SENDERS, N);
row("W9", N) -> sending(1, N);
row("W3", N) -> rate(N, fun() -> ring(2, 2 * N) end);
row("W5", N) -> rate(N, fun() -> ring(?W5_RING, N) end);
row("W4o", _) -> none("there is nothing but processes");
row("W4i", N) ->
    Oracle = spawn(fun() -> oracle(0) end),
    rate(N, fun() -> ask(Oracle, N) end);
row("W6", N) ->
    Me = self(),
    All = [spawn_opt(fun() -> big(Me, N) end, [{message_queue_data, off_heap}]) || _ <- lists:seq(1, ?W6_ACTORS)],
    Crowd = list_to_tuple(All),
    [One ! {all, Crowd} || One <- All],
    rate(2 * N * ?W6_ACTORS, fun() -> [One ! 'begin' || One <- All], wait(?W6_ACTORS) end);
row("W7", N) -> starting(N, ?W7_TURN);
row("W7t", N) -> starting(N, N);
row("W7m", N) ->
    Before = live(),
    All = [idle() || _ <- lists:seq(1, N)],
    After = live(),
    [One ! stop || One <- All],
    %% The list of them, in our own heap, is two words each.
    figure((After - Before) / N - 16);
row("W8", N) ->
    Me = self(),
    All = [sink(Me, N) || _ <- lists:seq(1, ?W8_ACTORS)],
    rate(N * ?W8_ACTORS, fun() -> [[One ! Number || One <- All] || Number <- lists:seq(1, N)], wait(?W8_ACTORS) end);
row(_, _) -> none("measured for deathwatch and tokio only").

figure(Value) -> io_lib:format("value=~f", [float(Value)]).

none(Reason) -> "none=" ++ [case C of $\s -> $_; _ -> C end || C <- Reason].

rate(Items, Work) ->
    Took = time(Work),
    io_lib:format("value=~f items=~b seconds=~f", [Items * 1.0e9 / Took, Items, Took / 1.0e9]).

%% In nanoseconds.
time(Work) ->
    Start = erlang:monotonic_time(nanosecond),
    Work(),
    erlang:monotonic_time(nanosecond) - Start.

wait(0) -> ok;
wait(Left) -> receive done -> wait(Left - 1) end.

%% All that is allocated, once garbage has been collected everywhere.
live() ->
    [garbage_collect(One) || One <- processes()],
    timer:sleep(50),
    erlang:memory(total).

idle() -> spawn(fun() -> receive stop -> ok end end).

start_one() -> spawn_monitor(fun() -> ok end).

window(_, 0) -> ok;
window(ToStart, ToDie) ->
    receive {'DOWN', _, process, _, _} -> ok end,
    ToStart > 0 andalso start_one(),
    window(ToStart - 1, ToDie - 1).

all_told(Watchers, Each) ->
    Target = idle(),
    Me = self(),
    [spawn_opt(fun() ->
        [monitor(process, Target) || _ <- lists:seq(1, Each)],
        Me ! done,
        downs(Each),
        Me ! done
    end, [{message_queue_data, off_heap}]) || _ <- lists:seq(1, Watchers)],
    wait(Watchers),
    rate(Watchers * Each, fun() -> Target ! stop, wait(Watchers) end).

downs(0) -> ok;
downs(Left) -> receive {'DOWN', _, process, _, _} -> downs(Left - 1) end.

churn(Target, Watchers, Pairs) ->
    Me = self(),
    [spawn(fun() -> pairs(Target, Pairs div Watchers), Me ! done end) || _ <- lists:seq(1, Watchers)],
    wait(Watchers).

pairs(_, 0) -> ok;
pairs(Target, Left) ->
    demonitor(monitor(process, Target), [flush]),
    pairs(Target, Left - 1).

briefs(_, 0) -> ok;
briefs(Target, Left) ->
    All = [spawn_monitor(fun() -> monitor(process, Target) end) || _ <- lists:seq(1, ?M4_WINDOW)],
    downs(length(All)),
    briefs(Target, max(0, Left - ?M4_WINDOW)).

%% A process that monitors it so many times.
monitoring(Target, Times) ->
    Me = self(),
    Crowd = spawn(fun() -> [monitor(process, Target) || _ <- lists:seq(1, Times)], Me ! done, receive stop -> ok end end),
    wait(1),
    Crowd.

oldest_first(Target, Times) ->
    Me = self(),
    spawn(fun() ->
        All = [monitor(process, Target) || _ <- lists:seq(1, Times)],
        Me ! {took, time(fun() -> [demonitor(One) || One <- All] end)}
    end),
    receive {took, Took} -> Took end.

sink(Me, Left) -> spawn_opt(fun() -> sink(Me, Left, 0) end, [{message_queue_data, off_heap}]).

sink(Me, 0, _) -> Me ! done;
sink(Me, Left, Sum) -> receive Number -> sink(Me, Left - 1, Sum + Number) end.

sending(Senders, N) ->
    Sink = sink(self(), N),
    rate(N, fun() ->
        [spawn(fun() -> send(Sink, N div Senders) end) || _ <- lists:seq(1, Senders)],
        wait(1)
    end).

send(_, 0) -> ok;
send(Sink, Left) ->
    Sink ! Left,
    send(Sink, Left - 1).

ring(Size, Hops) ->
    Me = self(),
    First = spawn(fun() -> receive {next, Next} -> node_of(Me, Next) end end),
    Last = lists:foldl(fun(_, Next) -> spawn(fun() -> node_of(Me, Next) end) end, First, lists:seq(2, Size)),
    First ! {next, Last},
    First ! Hops,
    wait(1).

node_of(Me, Next) ->
    receive
        0 -> Me ! done;
        Left -> Next ! Left - 1
    end,
    node_of(Me, Next).

oracle(Sum) ->
    receive {From, Reference, Number} ->
        From ! {Reference, Sum + Number},
        oracle(Sum + Number)
    end.

%% As gen_server does: a monitor stands for the case that it dies.
ask(_, 0) -> ok;
ask(Oracle, Left) ->
    Reference = monitor(process, Oracle, [{alias, reply_demonitor}]),
    Oracle ! {Reference, Reference, Left},
    receive
        {Reference, _} -> ask(Oracle, Left - 1);
        {'DOWN', Reference, _, _, Reason} -> exit(Reason)
    end.

big(Me, Left) ->
    receive {all, All} -> big(Me, All, Left) end.

big(Me, All, Left) ->
    receive
        {ping, From} -> From ! pong, big(Me, All, Left);
        pong when Left =:= 1 -> Me ! done, big(Me, All, 0);
        pong -> ping(All), big(Me, All, Left - 1);
        'begin' -> ping(All), big(Me, All, Left)
    end.

ping(All) ->
    case element(rand:uniform(tuple_size(All)), All) of
        Other when Other =:= self() -> ping(All);
        Other -> Other ! {ping, self()}
    end.

starting(N, Turn) ->
    Counter = atomics:new(1, []),
    atomics:put(Counter, 1, N),
    Me = self(),
    Starter = spawn(fun() -> starter(Me, Counter, Turn) end),
    rate(N, fun() -> Starter ! N, wait(1) end).

starter(Me, Counter, Turn) ->
    receive Left ->
        Now = min(Left, Turn),
        start_many(Me, Counter, Now),
        Left > Now andalso (self() ! Left - Now),
        starter(Me, Counter, Turn)
    end.

start_many(_, _, 0) -> ok;
start_many(Me, Counter, Left) ->
    Child = spawn(fun() ->
        receive _ -> ok end,
        case atomics:sub_get(Counter, 1, 1) of
            0 -> Me ! done;
            _ -> ok
        end
    end),
    Child ! Left,
    start_many(Me, Counter, Left - 1).

peak_rss() ->
    {ok, Status} = file:read_file("/proc/self/status"),
    {match, [Kilobytes]} = re:run(Status, "VmHWM:\\s+(\\d+)", [{capture, all_but_first, list}]),
    list_to_integer(Kilobytes) * 1024.
