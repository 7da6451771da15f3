"""Families of words that no ending of the offline names has: behind some first name, one offends.

The words are coarse on purpose: a list of names has many others to choose from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

FAMILIES = {
    "weapons and war": """
        ammo armoury arrow arsenal artillery axe bayonet blade blast blaster bomb bombard
        bow bullet bulletproof bullseye cannon cannonball catapult crossbow cutlass dagger
        dart detonator drone duel duellist dynamite explode explosion explosive fist fuse
        grenade gun gunner gunpowder halberd hunter hunting joust jouster lance mine
        minefield missile musket pistol powder puncher raid raider ram raygun rifle sabre
        sapper sentry shoot shooter shot shotgun showdown siege sniper soldier spear sword
        tank target tnt torpedo trench troop war warhead warrior
    """,
    "ticking bags": """
        satchel suitcase ticking unattended
    """,
    "crime and suspicion": """
        accused acquitted alibi ambush arrest bandit blackmail bribe buccaneer burglar
        cheat confession contraband convict counterfeit crime criminal crook culprit decoy
        disguise disguised embezzler fake false felon forger fraud fugitive gangster
        getaway guilty heist highwayman hostage intruder jewelthief kidnap lookout loot
        lurker mafia masked mugger murder mutineer mutiny outlaw pickpocket pilferer
        piracy pirate plunder poacher poison prowler ransom robber robbery rogue rustler
        scam smuggler snoop spy spyglass steal stole stolen stowaway suspect suspecter
        suspicion suspicious suspiciously swindler thief thieves trickster victim villain
        witness
    """,
    "prison and punishment": """
        captive captured cell chain chains dungeon executioner fetters gallows guillotine
        hanged hangman jail jailer lawbreaker noose parole prison prisoner shackle stocks
        torture warder whip
    """,
    "borders and papers": """
        alien border colonial colony customs deport emigrant exile exotic foreign
        foreigner frontier immigrant imported migrant outsider papers passport permit
        refugee stranger tribal tribe undocumented visa
    """,
    "animals that people are called by": """
        ape baboon bat bear beaver boar buffalo bull buzzard camel chick chicken chimp
        cockroach cow crab crow cur dodo dog donkey duckling eel elephant ferret flea frog
        geese gibbon goat goose gorilla hare hen hippo hog hound hyena insect jackal
        jackdaw kitten lamb leech lice lizard lobster louse maggot magpie mare mole
        mongoose mongrel monkey mosquito mouse mule ox parasite parrot peacock pig pigeon
        piglet pony poodle porcupine prawn pug puppy rabbit ram rat rats raven reptile
        rhino roach rooster seal serpent shark sheep shrew shrimp skunk sloth slug snail
        snake spider squid squirrel stallion stork swine tadpole tick toad tortoise turkey
        turtle vermin viper vixen vulture walrus wasp weasel whale wolf wolves worm
        yakherd
    """,
    "poverty and dirt": """
        alms bargain beggar begging broke broom charity cheap crumb crumbs dirt dirty
        dishwasher dustbin filth filthy garbage grime grubby gutter homeless hovel hungry
        janitor junk leftover leftovers manure mop mopper mould mouldy muck mud muddy
        orphan pauper penniless poor rags refuse rubbish rust rusty scavenger scraps
        secondhand servant sewage sewer shabby slop slum smell smeller smelly soot stench
        stink sweeper tatty toilet tramp trash vagabond vagrant waif
    """,
    "bodies": """
        ankle armpit bald beard bearded belly big blind body bottom bottoms bowlegged
        brain brains buxom cheek chest chin chubby crooked deaf dwarf ear ears elbow eye
        eyebrow eyelash eyes face fat fatter feet finger foot freckle giant gut hair hairy
        heavy hip hiphigh hump hunchback jaw knee knees lame lap lean leg legs limp lip
        lips midget moustache mouth mute nailbiter narroweyed navel neck nose nostril
        overweight plump potbellied scar scrawny short shoulder shoulders skin skinny
        skull slant slender slim squint stout tall teeth thick thigh thin thumb toe toes
        tongue tooth tummy ugly waist whisker wide wig wrinkle
    """,
    "minds and health": """
        batty clumsy confused coward cowardly crazy daft daydreamer delirious demented dim
        dizzy dull dumb failed failure feeble fever foolish forgetful forgetter germ
        hopeless idiot idle ignorant insane lazy loony loser lost lunatic mad madman
        mental moron nuts nutty plague queasy seasick senile sick simple simpleton slow
        stammer stupid stutter sweat sweaty useless virus wobbly woozy wrong
    """,
    "innuendo": """
        balls bang bedroom bits blow blower blowing bone buns bust cherry climax comer
        cream creamy desire dingdong easy fastwoman flasher flirt fruity hard hole holes
        horn horny hump intimate juicy kiss kisser knob loose lover lust melon melons
        moist mount mounter naughty nuts organ package peach peep peg plum plums pole
        pounder pump pusher ripe rod rub saucy sausage screw sensual sexy shaft slot spicy
        stiff stud studs swinger tart tease thrust tickle tickler tool turnon undressed
        virgin wet wood
    """,
    "religion": """
        abbey abbot altar amen angel angelic apostle baptism bishop blasphemer bless
        blessed brahmin cathedral chapel christ church convent crusade crusader cult curse
        cursed deity demon dervish devil disciple divine druid evangelist exorcist faith
        faithful fasting friar god goddess godless gospel guru halal halo heathen heaven
        hell heretic holy idol imam infidel kosher mass messiah minister miracle
        missionary monastery monk mosque mufti nun oracle pagan parish pastor pilgrim pope
        prayer preacher priest priestess prophet psalm pulpit rabbi sabbath sacred
        sacrifice saint satan sermon shaman shrine sin sinner soul swami synagogue temple
        vicar voodoo witch wizard worship
    """,
    "alcohol and drugs": """
        ale barmaid beer booze boozer brandy brewer brewery champagne cider cigar
        cigarette cocktail drink drinker drunk gin grog hangover hiccup inn keg lager mead
        merry nightcap opium pipesmoker pub punchbowl rum rummy saloon sherry smoker sober
        tavern tequila tipsy tobacco vineyard vintner vodka whiskey whisky wine
    """,
    "stereotypes of origin": """
        apple bamboo banana banjo bazaar boomerang border bowing brave burrito carpet
        casbah chili chopstick chopsticks clan coconut coolie cotton cowboy cowgirl curry
        dumpling fakir feather feathered fez fortunecookie geisha genie gold golden gong
        guacamole haggler harem headdress hemp hula igloo jungle kebab kilt kimchi kimono
        kungfu lasso laundry lederhosen letterbox maharaja mango mariachi minstrel mummy
        ninja nomad noodle noodles oasis oil pagoda pancho papaya pasta pharaoh pita
        plantain plantation plume plumed poncho porch potato pyramid quill quills rice
        rickshaw rodeo safari samurai sari sauerkraut scarf shah shamrock sheik siesta
        sitar sombrero spaghetti sphinx spice sultan sumo sundown sushi taco tamale taxi
        teepee tepee tiki tomahawk totem towel troll turban turkish veil viking volcano
        voodoo watermelon wigwam yodel yodeller yurt zulu
    """,
    "death and misfortune": """
        accident afterlife avalanche burial buried casket catastrophe cemetery coffin
        corpse crash crashed crypt dead deadly death deathbed die disaster doom doomed
        drowned drowning epitaph famine fatal funeral ghost ghostly grave graveyard grim
        haunt haunted hearse lampshade lonely lonesome marooned mortuary mourner phantom
        quicksand shipwreck sinking skeleton spectre sunk sunken tomb tombstone tragedy
        unloved unwanted vampire wreck wrecked zombie
    """,
    "rank over people": """
        boss captor houseboy housemaid lackey maid master mistress nanny overseer owned
        owner peasant serf servant valet waitress
    """,
}
"""Family → its words, in the singular."""

WORDS = {word: family for family, words in FAMILIES.items() for word in words.split()}


def family_of(text: str) -> tuple[str, str] | None:
    """Return a word of ``text`` that belongs to a family, and the family; ``None`` if none does."""
    for word in re.findall("[a-z]+", text.lower().replace("'s", "")):
        for stem in _stems(word):
            if stem in WORDS:
                return word, WORDS[stem]
    return None


def _stems(word: str) -> Iterator[str]:
    yield word
    for ending in ("s", "es", "er", "ers", "ed", "ing"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            yield word.removesuffix(ending)
    if word.endswith("ies"):
        yield word[:-3] + "y"
