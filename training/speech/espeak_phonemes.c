// Speaks stdin with espeak-ng and writes the phoneme times.
//
//   espeak_phonemes VOICE RATE_WPM PITCH RANGE OUT.pcm OUT.tsv < text
//
// OUT.pcm: mono signed 16-bit samples. OUT.tsv: first line "rate <Hz>", then "<start ms>\t<IPA>" per phoneme
// (an empty name is a pause), last line "end <ms>". PITCH and RANGE are 0 to 99.
//
// Linked with libespeak-ng (GPL-3), so it stays a separate program that makes training data.
#include <espeak-ng/speak_lib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *pcm, *tsv;
static long samples;

static int on_audio(short *wave, int count, espeak_EVENT *event) {
  if (wave && count > 0) {
    if (fwrite(wave, 2, count, pcm) != (size_t)count)
      return 1;
    samples += count;
  }
  for (; event->type != espeakEVENT_LIST_TERMINATED; event++) {
    if (event->type == espeakEVENT_PHONEME)
      fprintf(tsv, "%d\t%.8s\n", event->audio_position, event->id.string);
    else if (event->type == espeakEVENT_END) // the sentence pause follows
      fprintf(tsv, "%d\t\n", event->audio_position);
  }
  return 0;
}

int main(int count, char **args) {
  static char text[16384];
  if (count != 7) {
    fprintf(stderr, "usage: espeak_phonemes VOICE RATE_WPM PITCH RANGE OUT.pcm OUT.tsv < text\n");
    return 2;
  }
  size_t length = fread(text, 1, sizeof text - 1, stdin);
  if (length == 0 || length == sizeof text - 1) {
    fprintf(stderr, "espeak_phonemes: text must have 1 to %zu bytes\n", sizeof text - 2);
    return 2;
  }
  int rate = espeak_Initialize(AUDIO_OUTPUT_SYNCHRONOUS, 0, NULL,
                               espeakINITIALIZE_PHONEME_EVENTS | espeakINITIALIZE_PHONEME_IPA |
                                   espeakINITIALIZE_DONT_EXIT);
  if (rate <= 0) {
    fprintf(stderr, "espeak_phonemes: espeak-ng data not found (package espeak-ng-data)\n");
    return 1;
  }
  espeak_SetSynthCallback(on_audio);
  if (espeak_SetVoiceByName(args[1]) != EE_OK) {
    fprintf(stderr, "espeak_phonemes: no voice %s\n", args[1]);
    return 1;
  }
  espeak_SetParameter(espeakRATE, atoi(args[2]), 0);
  espeak_SetParameter(espeakPITCH, atoi(args[3]), 0);
  espeak_SetParameter(espeakRANGE, atoi(args[4]), 0);
  pcm = fopen(args[5], "wb");
  tsv = fopen(args[6], "w");
  if (!pcm || !tsv) {
    perror("espeak_phonemes");
    return 1;
  }
  fprintf(tsv, "rate %d\n", rate);
  espeak_Synth(text, length + 1, 0, POS_CHARACTER, 0, espeakCHARS_UTF8, NULL, NULL);
  espeak_Synchronize();
  fprintf(tsv, "end %.3f\n", 1000.0 * samples / rate);
  if (samples == 0 || fclose(pcm) || fclose(tsv)) {
    fprintf(stderr, "espeak_phonemes: no audio was made\n");
    return 1;
  }
  return 0;
}
