/** Who answers for what. */

export const duties = {
  "duties.place": "Place",
  "duties.duty": "Duty to look for gaps in",
  "duties.every": "All duties",
  "duties.unanswered": "{n} places nobody answers for today in this duty",
  "duties.answered": "Somebody answers for this duty in all {n} places",
  "duties.now": "Who answers now",
  "duties.nobody": "Nobody answers now",
  "duties.onDuty": "on duty: {post}",
  "duties.by": "As entered for: {place}",
  "duties.byWhole": "(safety as a whole)",
  "duties.entered": "Entered here",
  "duties.none": "Nothing entered here; the place around it counts",
  "duties.add": "Enter somebody",
  "duties.change": "Change the entry",
  "duties.rank": "Rank",
  "duties.rank.first": "First",
  "duties.rank.deputy": "Deputy",
};
