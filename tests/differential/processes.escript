#!/usr/bin/env escript
%%! -noshell
%% Plays scripts on real Erlang processes. One script is one line, steps separated by `;`. The answer is a line for each step and an
%% empty one. What a step means, and how the line is made up, is said in script.rs; actors.rs plays the same.
%%
%% Nothing is waited for by time. After each step the driver waits until every Down that is owed has been delivered and
%% everybody who is not held up has answered, so that the next step finds the same state in every run.
-mode(compile).

-record(all, {
    pids = #{},      % actor => pid
    numbers = #{},   % pid => actor
    threads = [],    % actors that a kill cannot interrupt, on the other side
    held = [],
    dead = [],
    died = [],       % in this step, with the reason
    actors = 0,
    monitors = #{},  % monitor => reference
    owners = #{},    % monitor => actor
    names = #{},     % reference => monitor
    made = 0
}).

main(_) ->
    ok = logger:set_primary_config(level, none),
    io:format("ready ~s~n", [erlang:system_info(otp_release)]),
    scripts().

scripts() ->
    case io:get_line("") of
        eof ->
            ok;
        Line ->
            Steps = [string:lexemes(Step, " ") || Step <- string:lexemes(Line, ";\n")],
            {Lines, All} = play(Steps, 0, #all{}, []),
            clean_up(All),
            io:put_chars([Lines, "\n"]),
            scripts()
    end.

play([], _, All, Lines) ->
    {lists:reverse(Lines), All};
play([Words | Steps], At, All, Lines) ->
    {Answer, Done} = step([word(Word) || Word <- Words], At, All#all{died = []}),
    Settled = settle(Done),
    Line = io_lib:format("~s|~s|~s|~s~n", [Answer, deaths(Settled), heard(Settled), views(Settled)]),
    % So that the queue of who is held up shows what came in which step.
    [pid(A, Settled) ! {note, 1000 + At} || A <- Settled#all.held],
    play(Steps, At + 1, Settled, [Line | Lines]).

word(Word) ->
    try list_to_integer(Word) catch error:badarg -> list_to_atom(Word) end.

%% Every step that could not be played on either side is skipped on both.

step([start, Mode, Temper], _, All) ->
    Pid = spawn(body(Temper, born)),
    {"done", joins(Pid, Mode, All)};
step([spawn, Watcher, Mode, Birth], _, All) ->
    case free(Watcher, All) of
        false ->
            {"skipped", made(void, Watcher, nobody(All))};
        true ->
            {ok, {Pid, Ref}} = ask(Watcher, {spawn, body(calm, Birth)}, All),
            {"done", made(Ref, Watcher, joins(Pid, Mode, All))}
    end;
step([monitor, Watcher, Target, How], _, All) ->
    case alive(Watcher, All) andalso exists(Target, All) of
        false ->
            {"skipped", made(void, Watcher, All)};
        true ->
            {ok, Ref} = ask(Watcher, {monitor, pid(Target, All), How}, All),
            {"done", made(Ref, Watcher, All)}
    end;
step([demonitor, By, Monitor, How, _], _, All) ->
    Who = case By of owner -> maps:get(Monitor, All#all.owners); _ -> By end,
    case maps:get(Monitor, All#all.monitors) of
        Ref when is_reference(Ref) ->
            case alive(Who, All) of
                true ->
                    {ok, Answer} = ask(Who, {demonitor, Ref, How}, All),
                    {atom_to_list(Answer), All};
                false ->
                    {"skipped", All}
            end;
        void ->
            {"skipped", All}
    end;
step([note, To], At, All) ->
    played(alive(To, All), All, fun() -> pid(To, All) ! {note, At}, All end);
step([say, From, To], At, All) ->
    played(free(From, All) andalso alive(To, All), All, fun() ->
        {ok, _} = ask(From, {say, pid(To, All), At}, All),
        All
    end);
step([last_words, From, To, Why], At, All) ->
    played(From =/= To andalso free(From, All) andalso alive(To, All), All, fun() ->
        {died, Was} = ask(From, {last_words, pid(To, All), At, reason(Why)}, All),
        dies(From, Was, All)
    end);
step([exit, Actor, Why], _, All) ->
    played(free(Actor, All), All, fun() ->
        {died, Was} = ask(Actor, {exit, reason(Why)}, All),
        dies(Actor, Was, All)
    end);
step([panic, Actor], _, All) ->
    played(free(Actor, All), All, fun() ->
        {died, Was} = ask(Actor, panic, All),
        dies(Actor, Was, All)
    end);
step([stop, Actor, Why], _, All) ->
    played(alive(Actor, All), All, fun() ->
        Pid = pid(Actor, All),
        case {free(Actor, All), Why} of
            % An exit signal would cut in, where a stop waits for the handler; and `normal` would be ignored.
            {false, _} -> Pid ! {stop, reason(Why)}, All;
            {true, normal} -> Pid ! {stop, normal}, awaited(Actor, All);
            {true, _} -> exit(Pid, reason(Why)), awaited(Actor, All)
        end
    end);
step([kill, Actor], _, All) ->
    Uncut = lists:member(Actor, All#all.held) andalso lists:member(Actor, All#all.threads),
    played(alive(Actor, All) andalso not Uncut, All, fun() ->
        exit(pid(Actor, All), kill),
        awaited(Actor, All)
    end);
step([hold, Actor], _, All) ->
    played(free(Actor, All), All, fun() ->
        {ok, _} = ask(Actor, hold, All),
        All#all{held = [Actor | All#all.held]}
    end);
step([let_go, Actor], _, All) ->
    played(lists:member(Actor, All#all.held), All, fun() ->
        {ok, _} = ask(Actor, let_go, All),
        All#all{held = lists:delete(Actor, All#all.held)}
    end).

played(true, _, F) -> {"done", F()};
played(false, All, _) -> {"skipped", All}.

reason(normal) -> normal;
reason(Error) -> {error, Error}.

exists(Actor, All) -> is_map_key(Actor, All#all.pids).
alive(Actor, All) -> exists(Actor, All) andalso not lists:member(Actor, All#all.dead).
free(Actor, All) -> alive(Actor, All) andalso not lists:member(Actor, All#all.held).
pid(Actor, All) -> maps:get(Actor, All#all.pids).
living(All) -> [A || A <- lists:seq(0, All#all.actors - 1), alive(A, All)].

nobody(All) ->
    All#all{actors = All#all.actors + 1}.

joins(Pid, Mode, All = #all{actors = Actor}) ->
    monitor(process, Pid),
    Pid ! go,
    Joined = (nobody(All))#all{
        pids = (All#all.pids)#{Actor => Pid},
        numbers = (All#all.numbers)#{Pid => Actor},
        threads = [Actor || Mode =:= thread] ++ All#all.threads
    },
    % Who is stillborn is dead when this returns.
    case ask(Actor, nothing, Joined) of
        {ok, _} -> Joined;
        {died, Why} -> dies(Actor, Why, Joined)
    end.

made(Ref, Owner, All = #all{made = Monitor}) ->
    All#all{
        made = Monitor + 1,
        monitors = (All#all.monitors)#{Monitor => Ref},
        owners = (All#all.owners)#{Monitor => Owner},
        names = (All#all.names)#{Ref => Monitor}
    }.

dies(Actor, Why, All) ->
    All#all{
        dead = [Actor | All#all.dead],
        held = lists:delete(Actor, All#all.held),
        died = [{Actor, Why} | All#all.died]
    }.

awaited(Actor, All) ->
    Pid = pid(Actor, All),
    receive {'DOWN', _, process, Pid, Why} -> dies(Actor, Why, All) end.

ask(Actor, What, All) ->
    Pid = pid(Actor, All),
    Pid ! {do, What},
    receive
        {done, Pid, Answer} -> {ok, Answer};
        {'DOWN', _, process, Pid, Why} -> {died, Why}
    end.

%% Until nothing more follows from what was done.
settle(All) ->
    quiet(All),
    case lists:foldl(fun probe/2, All, living(All)) of
        All -> All;
        Fewer -> settle(Fewer)
    end.

probe(Actor, All) ->
    case free(Actor, All) andalso ask(Actor, nothing, All) of
        {died, Why} -> dies(Actor, Why, All);
        _ -> All
    end.

%% Until the dead have told everybody (the driver may be told before others are), and both sides of each monitor agree: what a
%% process does to another takes effect when that comes to it, which may be after the driver was answered.
quiet(All) ->
    Pids = [pid(Actor, All) || Actor <- living(All)],
    Watched = [{Pid, Target} || Pid <- Pids, {monitors, Targets} <- [process_info(Pid, monitors)],
                                {process, Target} <- Targets],
    By = [{Watcher, Pid} || Pid <- Pids, {monitored_by, Watchers} <- [process_info(Pid, monitored_by)],
                            Watcher <- Watchers, Watcher =/= self()],
    case lists:sort(Watched) =:= lists:sort(By) of
        true -> ok;
        false -> erlang:yield(), quiet(All)
    end.

clean_up(All) ->
    [exit(pid(Actor, All), kill) || Actor <- living(All)],
    lists:foldl(fun awaited/2, All, living(All)),
    flush().

flush() ->
    receive _ -> flush() after 0 -> ok end.

%% The line.

deaths(All) ->
    lists:join(",", [io_lib:format("~b ~s", [Actor, class(Why)]) || {Actor, Why} <- lists:sort(All#all.died)]).

heard(All) ->
    lists:join(";", [[integer_to_list(Actor), ":", lists:join(",", Told)]
                     || Actor <- lists:seq(0, All#all.actors - 1), exists(Actor, All),
                        Told <- [told(pid(Actor, All), All)], Told =/= []]).

told(Pid, All) ->
    receive
        {told, Pid, {note, Number}} ->
            [io_lib:format("note ~b", [Number]) | told(Pid, All)];
        {told, Pid, {How, Ref, Target, Why}} ->
            Monitor = maps:get(Ref, All#all.names),
            Line = io_lib:format("~s ~b of ~b ~s", [How, Monitor, number(Target, All), class(Why)]),
            [Line | told(Pid, All)]
    after 0 ->
        []
    end.

views(All) ->
    lists:join(";", [io_lib:format("~b watches ~w by ~w", [Actor, watched(Pid, All), by(Pid, All)])
                     || Actor <- living(All), Pid <- [pid(Actor, All)]]).

watched(Pid, All) ->
    {monitors, Targets} = process_info(Pid, monitors),
    lists:sort([number(Target, All) || {process, Target} <- Targets]).

by(Pid, All) ->
    {monitored_by, Watchers} = process_info(Pid, monitored_by),
    lists:sort([number(Watcher, All) || Watcher <- Watchers, Watcher =/= self()]).

number(Pid, All) -> maps:get(Pid, All#all.numbers).

class(normal) -> "normal";
class({error, Number}) -> io_lib:format("error ~b", [Number]);
class({panic, _Stack}) -> "panic";
class(Other) when is_atom(Other) -> atom_to_list(Other).

%% An actor.

body(Temper, Birth) ->
    Driver = self(), % this is called by the driver, also for a child
    fun() ->
        put(driver, Driver),
        receive go -> ok end,
        Birth =:= stillborn andalso error(panic),
        free_actor(Temper)
    end.

free_actor(Temper) ->
    receive
        {do, hold} ->
            done(ok),
            held_actor(Temper);
        {do, What} ->
            done(do(What)),
            free_actor(Temper);
        {stop, Why} ->
            exit(Why);
        {note, Number} ->
            tell({note, Number}),
            free_actor(Temper);
        {'DOWN', Ref, process, Pid, Why} ->
            tell({down, Ref, Pid, Why}),
            Temper =:= grieves andalso exit(grief),
            free_actor(Temper);
        {tagged, Ref, process, Pid, Why} ->
            tell({tagged, Ref, Pid, Why}),
            free_actor(Temper)
    end.

%% Everything but what the driver asks stands in the mailbox. A stop comes before that.
held_actor(Temper) ->
    receive
        {do, let_go} ->
            done(ok),
            receive {stop, Why} -> exit(Why) after 0 -> free_actor(Temper) end;
        {do, What} ->
            done(do(What)),
            held_actor(Temper)
    end.

done(Answer) -> get(driver) ! {done, self(), Answer}.
tell(What) -> get(driver) ! {told, self(), What}.

do(nothing) -> ok;
do({monitor, Pid, plain}) -> monitor(process, Pid);
do({monitor, Pid, tagged}) -> monitor(process, Pid, [{tag, tagged}]);
do({spawn, Body}) -> spawn_monitor(Body);
do({demonitor, Ref, flush}) ->
    try demonitor(Ref, [flush, info]) catch error:badarg -> false end;
do({demonitor, Ref, look}) ->
    try demonitor(Ref, [info]) of
        true -> cancelled;
        false -> receive {_, Ref, process, _, _} -> flushed after 0 -> unknown end
    catch
        error:badarg -> unknown
    end;
do({say, To, Number}) -> To ! {note, Number}, ok;
do({last_words, To, Number, Why}) -> To ! {note, Number}, exit(Why);
do({exit, Why}) -> exit(Why);
do(panic) -> error(panic).
